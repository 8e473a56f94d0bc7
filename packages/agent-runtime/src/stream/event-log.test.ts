import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Budget, EventLog, type Subscription } from './event-log.js';

const unlimited: Budget = { take: () => true, release: () => {} };

/** A subscriber that behaves as a client does: it keeps what it saw, is cut off, and comes back after the last event that it saw. */
class Client {
  readonly seen: number[] = [];
  ended = false;
  lost = false;
  #subscription: Subscription | undefined;
  /** How many events it takes before it is behind. */
  #room = Number.POSITIVE_INFINITY;

  connect(log: EventLog<number, string>): boolean {
    this.#subscription = log.subscribe(this.seen.length, {
      write: (item, id) => {
        expect(id).toBe(this.seen.length + 1);
        this.seen.push(item);
        return --this.#room > 0;
      },
      end: (final) => {
        if (final) expect(final).toEqual({ value: 'end', id: this.seen.length + 1 });
        this.ended = true;
      },
      lost: () => {
        this.lost = true;
      },
    });
    return this.#subscription !== undefined;
  }

  cut(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  slowDown(room: number): void {
    this.#room = room;
  }

  drain(room: number): void {
    this.#room = room;
    this.#subscription?.drained();
  }
}

type Step =
  | { kind: 'append' | 'connect' | 'cut'; who: number }
  | { kind: 'slow' | 'drain'; who: number; room: number };

const who = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('append' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('connect' as const, 'cut' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('slow' as const, 'drain' as const),
      who,
      room: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

/** Plays steps as a writer that waits when it must, then lets every subscriber read to the end. */
function play(steps: Step[], log: EventLog<number, string>): { subscribers: Client[]; appended: number[] } {
  const subscribers = [new Client(), new Client(), new Client()];
  const appended: number[] = [];
  let isReady = true;
  log.onDrain = () => {
    isReady = true;
  };
  for (const { kind, who: index, ...more } of steps) {
    const subscriber = subscribers[index];
    if (!subscriber) continue;
    if (kind === 'append' && isReady) {
      appended.push(appended.length);
      isReady = log.append(appended.length - 1, 10);
    } else if (kind === 'connect') {
      subscriber.cut();
      subscriber.connect(log);
    } else if (kind === 'cut') subscriber.cut();
    else if (kind === 'slow' && 'room' in more) subscriber.slowDown(more.room);
    else if (kind === 'drain' && 'room' in more) subscriber.drain(more.room);
  }
  log.end('end');
  return { subscribers, appended };
}

describe('an event log', () => {
  test('gives every subscriber every event, once and in order, for any interleaving of connects, cuts and resumes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const log = new EventLog<number, string>(Number.POSITIVE_INFINITY, unlimited);
        const { subscribers, appended } = play(steps, log);
        for (const subscriber of subscribers) {
          subscriber.cut();
          subscriber.slowDown(Number.POSITIVE_INFINITY);
          if (!subscriber.ended) expect(subscriber.connect(log)).toBe(true);
          expect(subscriber.seen).toEqual(appended);
          expect([subscriber.ended, subscriber.lost]).toEqual([true, false]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('that outgrows its share never skips an event: it serves on, or says that they are gone', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 100 }), (steps, share) => {
        let held = 0;
        const budget: Budget = {
          take: (bytes) => {
            held += bytes;
            return true;
          },
          release: (bytes) => {
            held -= bytes;
          },
        };
        const log = new EventLog<number, string>(share, budget);
        const { subscribers, appended } = play(steps, log);
        expect(held).toBeLessThanOrEqual(share);
        for (const { seen, ended } of subscribers) {
          expect(seen).toEqual(appended.slice(0, seen.length));
          if (ended) expect(seen).toEqual(appended);
        }
        log.forget();
        expect(held).toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  test('tells its writer to wait while every reader is behind, and no longer', () => {
    const log = new EventLog<number, string>(1000, unlimited);
    let drains = 0;
    log.onDrain = () => drains++;
    const [slow, quick] = [new Client(), new Client()];
    expect(log.append(0, 1)).toBe(true);
    slow.slowDown(2);
    slow.connect(log);
    expect(log.append(1, 1)).toBe(false);
    slow.drain(1);
    expect(drains).toBeGreaterThan(0);
    quick.connect(log);
    expect(log.append(2, 1)).toBe(true);
    quick.cut();
    expect(log.append(3, 1)).toBe(false);
    slow.cut();
    expect(log.append(4, 1)).toBe(true);
  });

  test('has no events that never were', () => {
    const log = new EventLog<number, string>(1000, unlimited);
    log.append(0, 1);
    expect([log.has(0), log.has(1), log.has(2)]).toEqual([true, true, false]);
    log.end('end');
    expect([log.has(2), log.has(3)]).toEqual([true, false]);
  });
});
