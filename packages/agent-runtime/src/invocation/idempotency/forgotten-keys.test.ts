import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fingerprint } from '../fingerprint.js';
import { ForgottenKeys, keyLifeMs, mostKeys } from './forgotten-keys.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

let passedMs = 0;

beforeEach(() => {
  const now = performance.now.bind(performance);
  passedMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
});

afterEach(() => {
  vi.restoreAllMocks();
});

function add(keys: ForgottenKeys, id: string, body = '{}'): void {
  keys.add(id, String(fingerprint(body)), performance.now());
}

describe('keys whose responses are forgotten', () => {
  test('are known by the beginning of their fingerprint', () => {
    const keys = new ForgottenKeys();
    add(keys, 'a', '{"a":1}');
    const known = keys.find('a') ?? '';
    expect(String(fingerprint('{"a":1}')).startsWith(known)).toBe(true);
    expect(String(fingerprint('{"a":2}')).startsWith(known)).toBe(false);
    expect(keys.find('b')).toBeUndefined();
  });

  test('are known for half an hour after their end, and then gone without a gap', () => {
    const keys = new ForgottenKeys();
    add(keys, 'a');
    passedMs = keyLifeMs - 1000;
    expect(keys.find('a')).toBeDefined();
    add(keys, 'b');
    passedMs = keyLifeMs + 1000;
    expect([keys.find('a'), keys.find('b') !== undefined, keys.size]).toEqual([undefined, true, 1]);
    expect(keys.isComplete).toBe(true);
    // It ended too long ago when its response was forgotten.
    keys.add('c', 'print', performance.now() - keyLifeMs - 1);
    expect(keys.find('c')).toBeUndefined();
  });

  test('are no more than the limit, and for half an hour it is known that some are missing', () => {
    const keys = new ForgottenKeys();
    for (let id = 0; id < mostKeys; id++) add(keys, String(id));
    expect([keys.size, keys.isComplete, keys.find('0') !== undefined]).toEqual([mostKeys, true, true]);
    add(keys, 'one more');
    expect(keys.size).toBeLessThanOrEqual(mostKeys);
    expect(keys.size).toBeGreaterThan(mostKeys * 0.9);
    expect([keys.isComplete, keys.find('0'), keys.find('one more') !== undefined]).toEqual([
      false,
      undefined,
      true,
    ]);
    passedMs = keyLifeMs - 5000;
    expect(keys.isComplete).toBe(false);
    passedMs = keyLifeMs + 120_000;
    expect(keys.isComplete).toBe(true);
  });

  test('take about 100 bytes each, and no more memory however many there were', () => {
    // A spy remembers each call.
    vi.restoreAllMocks();
    const bytesHeld = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = bytesHeld();
    const keys = new ForgottenKeys();
    const print = String(fingerprint('{}'));
    const fill = (count: number): number => {
      for (let added = 0; added < count; added++) {
        // As they come off the wire: each a text of its own.
        keys.add(Buffer.from(randomUUID()).toString('latin1'), print, performance.now());
      }
      return bytesHeld() - before;
    };
    const perKey = fill(mostKeys) / mostKeys;
    expect(perKey).toBeGreaterThan(50);
    expect(perKey).toBeLessThan(150);
    expect(fill(3 * mostKeys)).toBeLessThan(150 * mostKeys);
    expect(keys.size).toBeLessThanOrEqual(mostKeys);
  });
});
