const codes = { SIGTERM: 143, SIGINT: 130 } as const;

/**
 * Closes on the first SIGTERM or SIGINT, and then ends the process; a second signal ends it at once.
 *
 * @returns Stops listening to signals.
 */
export function exitOnSignals(close: () => Promise<void>): () => void {
  let isClosing = false;
  const onSignal = (signal: keyof typeof codes): void => {
    if (isClosing) process.exit(codes[signal]);
    isClosing = true;
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  const signals = Object.keys(codes) as (keyof typeof codes)[];
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    // While it closes, the second signal must still be heard.
    if (!isClosing) for (const signal of signals) process.off(signal, onSignal);
  };
}
