import type { TerminalSize } from '@sandpiper/sandbox-engine/engine';
import { expect, test } from 'vitest';
import { resizeTerminal } from './resize-terminal.js';

/** A terminal, and a shell that has just read its size and will write it back. */
function terminalWithShell() {
  let size: TerminalSize = { cols: 80, rows: 24 };
  const read = size;
  return {
    size: () => size,
    shellWritesBack() {
      size = read;
    },
    async resize(asked: TerminalSize): Promise<void> {
      size = asked;
    },
  };
}

test('stays as it was asked for though a shell writes back what it had read', async () => {
  const { resize, size, shellWritesBack } = terminalWithShell();
  const resized = resizeTerminal(resize, { cols: 77, rows: 22 });
  shellWritesBack();
  await resized;
  expect(size()).toEqual({ cols: 77, rows: 22 });
});

test('is the last that was asked for, whichever call ends last', async () => {
  const { resize, size } = terminalWithShell();
  await Promise.all([1, 2, 3].map((n) => resizeTerminal(resize, { cols: n, rows: n })));
  expect(size()).toEqual({ cols: 3, rows: 3 });
});

test('of a terminal that has ended meanwhile is no failure', async () => {
  let calls = 0;
  const resize = async (): Promise<void> => {
    calls += 1;
    if (calls > 1) throw new Error('EBADF');
  };
  await expect(resizeTerminal(resize, { cols: 1, rows: 1 })).resolves.toBeUndefined();
});
