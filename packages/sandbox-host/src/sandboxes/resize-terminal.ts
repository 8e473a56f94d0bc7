import { setTimeout as sleep } from 'node:timers/promises';
import type { TerminalSize } from '@sandpiper/sandbox-engine/engine';

/** Longer than readline takes between its two calls. */
const settleMs = 50;
/** What each was asked for last, by the function that does it. */
const wanted = new WeakMap<object, TerminalSize>();

/**
 * Gives a terminal a size that stays. A shell that prepares its prompt reads the size and writes it back (readline's
 * `set_winsize`), and in between it would undo this; so it is said again a moment later. A size that is there already
 * is no news to the kernel.
 */
export async function resizeTerminal(
  resize: (size: TerminalSize) => Promise<void>,
  size: TerminalSize,
): Promise<void> {
  wanted.set(resize, size);
  await resize(size);
  await sleep(settleMs);
  // It may have ended, or been asked for another.
  await resize(wanted.get(resize) ?? size).catch(() => {});
}
