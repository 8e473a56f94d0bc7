const codes = { SIGTERM: 143, SIGINT: 130 } as const;

/**
 * So soon after the first a second signal is the same wish: `npm start` hands on what its whole process group has got,
 * and a terminal's Ctrl-C or the end of a sandbox goes to the group.
 */
const sameWishMs = 250;

/**
 * Closes on the first SIGTERM or SIGINT, and then ends the process; a second signal, not right after the first, ends it at once.
 *
 * @returns Stops listening to signals.
 */
export function exitOnSignals(close: () => Promise<void>): () => void {
  let closingSince: number | undefined;
  const onSignal = (signal: keyof typeof codes): void => {
    const now = performance.now();
    if (closingSince !== undefined) {
      if (now - closingSince > sameWishMs) process.exit(codes[signal]);
      return;
    }
    closingSince = now;
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  const signals = Object.keys(codes) as (keyof typeof codes)[];
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    // While it closes, the second signal must still be heard.
    if (closingSince === undefined) for (const signal of signals) process.off(signal, onSignal);
  };
}
