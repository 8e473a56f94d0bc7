import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SandboxEvent, SandboxState } from '../events/lifecycle-events.js';
import { nextState } from './lifecycle.js';

const events: SandboxEvent[] = [
  'created',
  'pause',
  'paused',
  'hibernated',
  'resume',
  'resumed',
  'failed',
  'kill',
  'killed',
];

/** Every state a sandbox goes through, taking those of the events that are possible when they come. */
function walk(happening: SandboxEvent[]): SandboxState[] {
  const states: SandboxState[] = ['creating'];
  for (const event of happening) {
    const next = nextState(states.at(-1) ?? 'creating', event);
    if (next) states.push(next);
  }
  return states;
}

describe('the states of a sandbox', () => {
  const walks = fc.array(fc.constantFrom(...events), { minLength: 1, maxLength: 60 }).map(walk);

  test('an end is an end, and comes only by way of killing', () => {
    fc.assert(
      fc.property(walks, (states) => {
        for (const [index, state] of states.entries()) {
          if (state === 'gone') {
            expect(states[index - 1]).toBe('killing');
            expect(states.length).toBe(index + 1);
          }
          if (states[index - 1] === 'killing') expect(state).toBe('gone');
        }
      }),
    );
  });

  test('only one that was resumed runs again', () => {
    fc.assert(
      fc.property(walks, (states) => {
        for (const [index, state] of states.entries()) {
          const before = states[index - 1];
          if (state === 'running' && before) expect(['creating', 'resuming', 'pausing']).toContain(before);
          if (state === 'hibernated') expect(before).toBe('paused');
          if (state === 'creating') expect(index).toBe(0);
        }
      }),
    );
  });

  test('every one of them can be ended in at most two steps', () => {
    fc.assert(
      fc.property(walks, (states) => {
        const last = states.at(-1) ?? 'creating';
        const settled = [last, ...events.map((event) => nextState(last, event))];
        const canEnd = settled.some((state) => state === 'gone' || (state && nextState(state, 'kill')));
        expect(canEnd || nextState(last, 'killed') === 'gone').toBe(true);
      }),
    );
  });
});
