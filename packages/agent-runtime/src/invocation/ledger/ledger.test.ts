import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Entry } from './entry.js';
import { Ledger, type Remembered } from './ledger.js';

const retention = { count: 3, bytes: 100, ms: 1000 };
const outcome = (bytes = 1): Remembered => ({ bytes });

function begin(
  ledger: Ledger<Remembered>,
  id: string,
  options: { key?: string; graceMs?: number; cancel?: (why: string) => void } = {},
): Entry<Remembered> {
  const { key, graceMs = 0, cancel = () => {} } = options;
  return ledger.begin({ id, fingerprint: key, isRecorded: true, graceMs, cancel });
}

function finish(ledger: Ledger<Remembered>, entry: Entry<Remembered>, bytes = 1): void {
  entry.open(outcome(bytes));
  ledger.end(entry, 'succeeded');
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a ledger', () => {
  test('finds what runs and what has ended', () => {
    const ledger = new Ledger(retention);
    const entry = begin(ledger, 'a', { key: 'x' });
    expect(ledger.find('a')).toBe(entry);
    finish(ledger, entry);
    expect(ledger.find('a')).toMatchObject({ state: 'succeeded', fingerprint: 'x' });
    expect(ledger.find('b')).toBeUndefined();
  });

  test('forgets the first that ended when there are too many, and never what runs', () => {
    const ledger = new Ledger(retention);
    const running = begin(ledger, 'running');
    for (const id of ['1', '2', '3', '4']) finish(ledger, begin(ledger, id));
    expect(ledger.find('1')).toBeUndefined();
    expect(ledger.find('2')).toBeDefined();
    expect(ledger.find('running')).toBe(running);
  });

  test('forgets a sixteenth at once of many, so that forgetting stays cheap', () => {
    const ledger = new Ledger({ ...retention, count: 32, bytes: 1000 });
    for (let id = 1; id <= 32; id++) finish(ledger, begin(ledger, String(id)));
    expect(ledger.size).toBe(32);
    finish(ledger, begin(ledger, '33'));
    expect([ledger.size, ledger.find('3'), ledger.find('4')?.state]).toEqual([30, undefined, 'succeeded']);
  });

  test('forgets when it holds too many bytes', () => {
    const ledger = new Ledger(retention);
    finish(ledger, begin(ledger, '1'), 60);
    finish(ledger, begin(ledger, '2'), 60);
    expect([ledger.find('1'), ledger.bytes]).toEqual([undefined, 60]);
    finish(ledger, begin(ledger, '3'), 1000);
    expect([ledger.size, ledger.bytes]).toEqual([0, 0]);
  });

  test('forgets after a while', () => {
    vi.useFakeTimers();
    const ledger = new Ledger(retention);
    finish(ledger, begin(ledger, 'a'));
    vi.advanceTimersByTime(1000);
    expect(ledger.find('a')).toBeDefined();
    vi.advanceTimersByTime(1);
    expect(ledger.find('a')).toBeUndefined();
  });

  test('does not let a request without a key take the place of one that runs, or that has a key', () => {
    const ledger = new Ledger(retention);
    const keyed = begin(ledger, 'a', { key: 'x' });
    finish(ledger, keyed);
    finish(ledger, begin(ledger, 'a'));
    expect(ledger.find('a')).toBe(keyed);
    const running = begin(ledger, 'b');
    finish(ledger, begin(ledger, 'b'));
    expect(ledger.find('b')).toBe(running);
  });

  test('holds no more than it may, whatever happens', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('finish' as const), id: fc.nat(9), bytes: fc.nat(150) }),
      fc.record({ kind: fc.constant('log' as const), id: fc.nat(9), bytes: fc.nat(40) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const ledger = new Ledger<Remembered>(retention);
        for (const { kind, id, bytes } of actions) {
          const entry = begin(ledger, String(id), { key: 'x' });
          if (kind === 'finish') finish(ledger, entry, bytes);
          else {
            const log = ledger.createLog<string, string>(true);
            entry.open({ bytes: 0, forget: () => log.forget() });
            for (let event = 0; event < 4; event++) log.append('', bytes);
            log.end('');
            ledger.end(entry, 'succeeded');
          }
          expect(ledger.bytes).toBeGreaterThanOrEqual(0);
          expect(ledger.bytes).toBeLessThanOrEqual(retention.bytes);
          expect(ledger.size).toBeLessThanOrEqual(retention.count);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('an entry', () => {
  test('is abandoned at once when its last caller leaves and there is no grace', () => {
    const cancel = vi.fn();
    const entry = begin(new Ledger(retention), 'a', { cancel });
    entry.attach();
    entry.attach();
    entry.detach();
    expect(cancel).not.toHaveBeenCalled();
    entry.detach();
    expect(cancel).toHaveBeenCalledExactlyOnceWith('abandoned');
  });

  test('is abandoned after its grace, unless a caller comes back or it ends', () => {
    vi.useFakeTimers();
    const cancel = vi.fn();
    const ledger = new Ledger(retention);
    const entry = begin(ledger, 'a', { cancel, graceMs: 100 });
    entry.attach();
    entry.detach();
    vi.advanceTimersByTime(99);
    entry.attach();
    vi.advanceTimersByTime(1000);
    expect(cancel).not.toHaveBeenCalled();
    entry.detach();
    finish(ledger, entry);
    vi.advanceTimersByTime(1000);
    expect(cancel).not.toHaveBeenCalled();
    const other = begin(ledger, 'b', { cancel, graceMs: 100 });
    other.attach();
    other.detach();
    vi.advanceTimersByTime(100);
    expect(cancel).toHaveBeenCalledExactlyOnceWith('abandoned');
  });

  test('cancels what runs only', () => {
    const cancel = vi.fn();
    const ledger = new Ledger(retention);
    const entry = begin(ledger, 'a', { cancel });
    entry.cancel();
    expect(cancel).toHaveBeenCalledExactlyOnceWith('asked');
    finish(ledger, entry);
    entry.cancel();
    expect(cancel).toHaveBeenCalledOnce();
  });
});
