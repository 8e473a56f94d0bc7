import type { InvocationState } from '@sandpiper/protocol';
import { type Budget, EventLog } from '../../stream/event-log.js';
import { Entry, type EntryOptions } from './entry.js';
import { ForgottenKeys } from './forgotten-keys.js';

/** How much is remembered of invocations that have ended. */
export interface Retention {
  readonly count: number;
  readonly bytes: number;
  readonly ms: number;
}

/** What an outcome costs to remember, and how to stop remembering it. */
export interface Remembered {
  /** Bytes beside those of an event log, which counts its own. */
  readonly bytes: number;
  forget?(): void;
}

/** One log may use this much of the whole budget, so that one long stream cannot drive out all others. */
const shareOfOneLog = 1 / 4;

/** How many of the count stay when it is exceeded. */
const shareKept = 15 / 16;

/**
 * Every invocation that runs, and those that ended a while ago, by their id: what makes a second request with the
 * same key join the first or repeat its response, instead of running the handler again (docs/wire-protocol.md, "At most once"). When a
 * response is forgotten its key is not.
 */
export class IdempotencyStore<Outcome extends Remembered> {
  readonly #entries = new Map<string, Entry<Outcome>>();
  // In the order in which they ended, so the first is the next to be forgotten.
  readonly #ended = new Set<Entry<Outcome>>();
  readonly #retention: Retention;
  /** The keys of those whose responses are forgotten. */
  readonly forgottenKeys: ForgottenKeys = new ForgottenKeys();
  #bytes = 0;
  readonly #budget: Budget = {
    take: (bytes) => this.#take(bytes),
    release: (bytes) => {
      this.#bytes -= bytes;
    },
  };

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  /** How many invocations are known. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many bytes are held for them. */
  get bytes(): number {
    return this.#bytes;
  }

  find(id: string): Entry<Outcome> | undefined {
    const entry = this.#entries.get(id);
    if (!entry || !this.#isExpired(entry)) return entry;
    this.#forget(entry);
    return undefined;
  }

  /** Records an invocation that begins now. One without a key never takes the place of one that runs or has a key. */
  begin(options: EntryOptions): Entry<Outcome> {
    const entry = new Entry<Outcome>(options);
    const before = this.find(options.id);
    const mayReplace =
      before === undefined || (before.fingerprint === undefined && before.state !== 'running');
    if (mayReplace || options.fingerprint !== undefined) {
      if (before) this.#forget(before);
      this.#entries.set(entry.id, entry);
    }
    return entry;
  }

  /** A log for the events of one invocation. @param remember - Whether it keeps them, within its share of the memory. */
  createLog<Item, End>(remember: boolean): EventLog<Item, End> {
    return new EventLog(remember ? this.#retention.bytes * shareOfOneLog : 0, this.#budget);
  }

  /** Records how an invocation ended; its outcome must be there. */
  end(entry: Entry<Outcome>, state: Exclude<InvocationState, 'running'>): void {
    entry.close(state);
    if (this.#entries.get(entry.id) !== entry) {
      entry.outcome?.forget?.();
      return;
    }
    this.#ended.add(entry);
    this.#bytes += entry.outcome?.bytes ?? 0;
    this.#evict();
  }

  #take(bytes: number): boolean {
    this.#bytes += bytes;
    this.#evict();
    if (this.#bytes <= this.#retention.bytes) return true;
    this.#bytes -= bytes;
    return false;
  }

  #evict(): void {
    const { count, bytes } = this.#retention;
    if (this.#ended.size <= count && this.#bytes <= bytes) return;
    // The way to the oldest passes the empty places of those forgotten before it, so it is walked for many at once.
    const kept = this.#ended.size > count ? Math.ceil(count * shareKept) : count;
    for (const entry of this.#ended) {
      this.#forget(entry);
      if (this.#ended.size <= kept && this.#bytes <= bytes) return;
    }
  }

  #isExpired(entry: Entry<Outcome>): boolean {
    return entry.endedAt !== undefined && performance.now() - entry.endedAt > this.#retention.ms;
  }

  #forget(entry: Entry<Outcome>): void {
    this.#entries.delete(entry.id);
    if (!this.#ended.delete(entry)) return;
    const { id, fingerprint, endedAt } = entry;
    if (fingerprint !== undefined && endedAt !== undefined) this.forgottenKeys.add(id, fingerprint, endedAt);
    this.#bytes -= entry.outcome?.bytes ?? 0;
    entry.outcome?.forget?.();
  }
}
