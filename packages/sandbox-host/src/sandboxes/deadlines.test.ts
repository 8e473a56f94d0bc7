import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SandboxState } from '../events/lifecycle-events.js';
import { type Clocked, type Lifetimes, nextDeadline } from './deadlines.js';
import { TimeToLive } from './time-to-live.js';

const states: SandboxState[] = [
  'creating',
  'running',
  'pausing',
  'paused',
  'hibernated',
  'resuming',
  'killing',
];
const time = fc.integer({ min: 0, max: 10_000 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const sandboxes: fc.Arbitrary<Clocked> = fc.record({
  state: fc.constantFrom(...states),
  startedAt: time,
  stateSince: time,
  endAt: time,
  onTimeout: fc.constantFrom('pause', 'kill'),
  idleSince: maybe(time),
  keepsMemory: fc.boolean(),
});
const lifetimes: fc.Arbitrary<Lifetimes> = fc.record({
  maxAgeMs: maybe(time),
  hibernateAfterMs: maybe(time),
  idle: maybe(fc.record({ idleMs: time, action: fc.constantFrom('pause', 'kill', 'hibernate') })),
});

describe('the next deadline of a sandbox', () => {
  test('is at the timeout of one that runs at the latest, and there is none in the midst of a change', () => {
    fc.assert(
      fc.property(sandboxes, lifetimes, (sandbox, limits) => {
        const deadline = nextDeadline(sandbox, limits);
        if (sandbox.state === 'running') expect(deadline?.at).toBeLessThanOrEqual(sandbox.endAt);
        if (!['running', 'paused', 'hibernated'].includes(sandbox.state)) expect(deadline).toBeUndefined();
      }),
    );
  });

  test('is never the timeout, nor idleness, of one that does not run', () => {
    fc.assert(
      fc.property(sandboxes, lifetimes, (sandbox, limits) => {
        if (sandbox.state === 'running') return;
        const deadline = nextDeadline(sandbox, limits);
        expect([undefined, 'kill', 'hibernate']).toContain(deadline?.action);
        expect(deadline?.cause).not.toBe('timeout');
        if (deadline?.action === 'hibernate')
          expect(sandbox.keepsMemory && sandbox.state === 'paused').toBe(true);
      }),
    );
  });

  test('ends every sandbox by the age that the host allows', () => {
    fc.assert(
      fc.property(sandboxes, lifetimes, (sandbox, limits) => {
        const deadline = nextDeadline(sandbox, limits);
        if (!deadline || limits.maxAgeMs === undefined) return;
        expect(deadline.at).toBeLessThanOrEqual(sandbox.startedAt + limits.maxAgeMs);
      }),
    );
  });

  test('is what E2B knows, where nothing else was asked for', () => {
    fc.assert(
      fc.property(sandboxes, (sandbox) => {
        expect(nextDeadline(sandbox, {})).toEqual(
          sandbox.state === 'running'
            ? { at: sandbox.endAt, action: sandbox.onTimeout, cause: 'timeout' }
            : undefined,
        );
      }),
    );
  });
});

describe('the time a sandbox has to live', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('runs down while it runs and not while it is paused', () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('wait', 'stop', 'run', 'set'),
        ms: fc.integer({ min: 0, max: 1_000 }),
      }),
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const life = new TimeToLive(Date.now() + 10_000);
        let left = 10_000;
        let runs = true;
        for (const { what, ms } of taken) {
          if (what === 'wait') {
            vi.advanceTimersByTime(ms);
            if (runs) left -= ms;
          } else if (what === 'set') {
            life.set(ms);
            left = ms;
          } else {
            runs = what === 'run';
            if (runs) life.run();
            else life.stop();
          }
          expect(life.leftMs).toBe(left);
          if (runs) expect(life.endAt).toBe(Date.now() + left);
        }
        // As a host that was started again goes on with it.
        expect(new TimeToLive(life.endAt, life.stoppedAt).leftMs).toBe(left);
      }),
    );
  });
});
