import { expect, test } from 'vitest';
import type { Transition } from '../sandboxes/lifecycle-events.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { SavedMemory } from './saved-memory.js';

/** A sandbox of which is known what it uses. */
function using(memoryBytes: number) {
  const samples = [{ memoryBytes }];
  const sandbox = { sampler: { samples: () => samples, take: async () => {} } } as unknown as Sandbox;
  return {
    uses: (bytes: number) => samples.push({ memoryBytes: bytes }),
    step: (to: Transition['to']) => ({ sandbox, to }) as Transition,
  };
}

test('counts what a hibernated sandbox gave back, for as long as it slept', () => {
  const saved = new SavedMemory();
  const { uses, step } = using(100);
  saved.observe(step('pausing'), 0);
  saved.observe(step('paused'), 0);
  saved.observe(step('hibernated'), 1_000);
  uses(10);
  expect(saved.total(3_000)).toBe(90 * 2);
  saved.observe(step('resuming'), 4_000);
  uses(100);
  expect(saved.total(9_000)).toBe(90 * 3);
});

test('counts nothing for a sandbox that is only frozen, or that grew', () => {
  const saved = new SavedMemory();
  const frozen = using(50);
  const grown = using(10);
  for (const { step } of [frozen, grown]) saved.observe(step('paused'), 0);
  grown.uses(20);
  expect(saved.total(10_000)).toBe(0);
});

test('stops counting when the sandbox ends', () => {
  const saved = new SavedMemory();
  const { uses, step } = using(100);
  saved.observe(step('paused'), 0);
  uses(0);
  saved.observe(step('killing'), 2_000);
  saved.observe(step('gone'), 3_000);
  expect(saved.total(60_000)).toBe(200);
});
