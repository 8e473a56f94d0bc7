import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Entry } from './entry.js';
import { IdempotencyStore, type Remembered } from './idempotency-store.js';

const retention = { count: 3, bytes: 100, ms: 1000 };
const outcome = (bytes = 1): Remembered => ({ bytes });

function begin(
  store: IdempotencyStore<Remembered>,
  id: string,
  options: { key?: string; graceMs?: number; cancel?: (why: string) => void } = {},
): Entry<Remembered> {
  const { key, graceMs = 0, cancel = () => {} } = options;
  return store.begin({ id, fingerprint: key, isRecorded: true, graceMs, cancel });
}

function finish(store: IdempotencyStore<Remembered>, entry: Entry<Remembered>, bytes = 1): void {
  entry.open(outcome(bytes));
  store.end(entry, 'succeeded');
}

afterEach(() => {
  vi.useRealTimers();
});

describe('an idempotency store', () => {
  test('finds what runs and what has ended', () => {
    const store = new IdempotencyStore(retention);
    const entry = begin(store, 'a', { key: 'x' });
    expect(store.find('a')).toBe(entry);
    finish(store, entry);
    expect(store.find('a')).toMatchObject({ state: 'succeeded', fingerprint: 'x' });
    expect(store.find('b')).toBeUndefined();
  });

  test('forgets the first that ended when there are too many, and never what runs', () => {
    const store = new IdempotencyStore(retention);
    const running = begin(store, 'running');
    for (const id of ['1', '2', '3', '4']) finish(store, begin(store, id));
    expect(store.find('1')).toBeUndefined();
    expect(store.find('2')).toBeDefined();
    expect(store.find('running')).toBe(running);
  });

  test('forgets a sixteenth at once of many, so that forgetting stays cheap', () => {
    const store = new IdempotencyStore({ ...retention, count: 32, bytes: 1000 });
    for (let id = 1; id <= 32; id++) finish(store, begin(store, String(id)));
    expect(store.size).toBe(32);
    finish(store, begin(store, '33'));
    expect([store.size, store.find('3'), store.find('4')?.state]).toEqual([30, undefined, 'succeeded']);
  });

  test('forgets when it holds too many bytes', () => {
    const store = new IdempotencyStore(retention);
    finish(store, begin(store, '1'), 60);
    finish(store, begin(store, '2'), 60);
    expect([store.find('1'), store.bytes]).toEqual([undefined, 60]);
    finish(store, begin(store, '3'), 1000);
    expect([store.size, store.bytes]).toEqual([0, 0]);
  });

  test('forgets after a while', () => {
    vi.useFakeTimers();
    const store = new IdempotencyStore(retention);
    finish(store, begin(store, 'a'));
    vi.advanceTimersByTime(1000);
    expect(store.find('a')).toBeDefined();
    vi.advanceTimersByTime(1);
    expect(store.find('a')).toBeUndefined();
  });

  test('does not let a request without a key take the place of one that runs, or that has a key', () => {
    const store = new IdempotencyStore(retention);
    const keyed = begin(store, 'a', { key: 'x' });
    finish(store, keyed);
    finish(store, begin(store, 'a'));
    expect(store.find('a')).toBe(keyed);
    const running = begin(store, 'b');
    finish(store, begin(store, 'b'));
    expect(store.find('b')).toBe(running);
  });

  test('holds no more than it may, whatever happens', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('finish' as const), id: fc.nat(9), bytes: fc.nat(150) }),
      fc.record({ kind: fc.constant('log' as const), id: fc.nat(9), bytes: fc.nat(40) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const store = new IdempotencyStore<Remembered>(retention);
        for (const { kind, id, bytes } of actions) {
          const entry = begin(store, String(id), { key: 'x' });
          if (kind === 'finish') finish(store, entry, bytes);
          else {
            const log = store.createLog<string, string>(true);
            entry.open({ bytes: 0, forget: () => log.forget() });
            for (let event = 0; event < 4; event++) log.append('', bytes);
            log.end('');
            store.end(entry, 'succeeded');
          }
          expect(store.bytes).toBeGreaterThanOrEqual(0);
          expect(store.bytes).toBeLessThanOrEqual(retention.bytes);
          expect(store.size).toBeLessThanOrEqual(retention.count);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('an entry', () => {
  test('is abandoned at once when its last caller leaves and there is no grace', () => {
    const cancel = vi.fn();
    const entry = begin(new IdempotencyStore(retention), 'a', { cancel });
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
    const store = new IdempotencyStore(retention);
    const entry = begin(store, 'a', { cancel, graceMs: 100 });
    entry.attach();
    entry.detach();
    vi.advanceTimersByTime(99);
    entry.attach();
    vi.advanceTimersByTime(1000);
    expect(cancel).not.toHaveBeenCalled();
    entry.detach();
    finish(store, entry);
    vi.advanceTimersByTime(1000);
    expect(cancel).not.toHaveBeenCalled();
    const other = begin(store, 'b', { cancel, graceMs: 100 });
    other.attach();
    other.detach();
    vi.advanceTimersByTime(100);
    expect(cancel).toHaveBeenCalledExactlyOnceWith('abandoned');
  });

  test('cancels what runs only', () => {
    const cancel = vi.fn();
    const store = new IdempotencyStore(retention);
    const entry = begin(store, 'a', { cancel });
    entry.cancel();
    expect(cancel).toHaveBeenCalledExactlyOnceWith('asked');
    finish(store, entry);
    entry.cancel();
    expect(cancel).toHaveBeenCalledOnce();
  });
});
