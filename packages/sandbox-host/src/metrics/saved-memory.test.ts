import { expect, test } from 'vitest';
import { SavedMemory } from './saved-memory.js';

test('counts what a hibernated sandbox gave back, for as long as it slept', () => {
  const saved = new SavedMemory();
  saved.measured('a', 100, 0);
  saved.observe('a', 'pausing', 0);
  saved.observe('a', 'paused', 0);
  saved.observe('a', 'hibernated', 1_000);
  saved.measured('a', 10, 1_000);
  expect(saved.total(3_000)).toBe(90 * 2);
  saved.observe('a', 'resuming', 4_000);
  saved.measured('a', 100, 4_000);
  expect(saved.total(9_000)).toBe(90 * 3);
});

test('counts nothing for a sandbox that is only frozen, or that grew', () => {
  const saved = new SavedMemory();
  for (const [id, bytes] of [
    ['frozen', 50],
    ['grown', 10],
  ] as const) {
    saved.measured(id, bytes, 0);
    saved.observe(id, 'paused', 0);
  }
  saved.measured('grown', 20, 0);
  expect(saved.total(10_000)).toBe(0);
});

test('stops counting when the sandbox ends', () => {
  const saved = new SavedMemory();
  saved.measured('a', 100, 0);
  saved.observe('a', 'paused', 0);
  saved.measured('a', 0, 0);
  saved.observe('a', 'killing', 2_000);
  saved.observe('a', 'gone', 3_000);
  expect(saved.total(60_000)).toBe(200);
});
