/** How long a key stays known at the least, counted from the end of its invocation: longer than any caller retries. */
export const keyLifeMs: number = 30 * 60 * 1000;

/** How many keys stay known at the most. */
export const mostKeys = 100_000;

/** One generation holds this many keys at the most, so that few are dropped at once. */
const keysOfGeneration = mostKeys / 16;

/** And is added to for this long, so that it is not held much longer than its keys have to be. */
const generationMs = keyLifeMs / 30;

/** Enough of a fingerprint to tell bodies apart. Where it is not, the caller is refused all the same, by another status. */
const fingerprintLength = 8;

/** Keys that were forgotten in about the same minute: they are dropped together, which needs no clock for each. */
interface Generation {
  readonly startedAt: number;
  /** When the last of its invocations ended, on the clock of `performance.now()`. */
  lastEndedAt: number;
  /** By id, the beginning of the fingerprint. */
  readonly keys: Map<string, string>;
}

/**
 * The keys of invocations that have ended and whose responses are forgotten. A request with such a key must not run
 * the handler again, and one that is a retry must not either when its key may have been dropped here.
 */
export class ForgottenKeys {
  /** The oldest first. */
  #generations: Generation[] = [];
  #size = 0;
  #incompleteUntil = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  /** Whether every key of the last {@link keyLifeMs} is still known: none was dropped for their number. */
  get isComplete(): boolean {
    return performance.now() > this.#incompleteUntil;
  }

  add(id: string, fingerprint: string, endedAt: number): void {
    const now = performance.now();
    if (now - endedAt > keyLifeMs) return;
    this.#dropOld(now);
    let generation = this.#generations.at(-1);
    if (
      !generation ||
      generation.keys.size >= keysOfGeneration ||
      now - generation.startedAt > generationMs
    ) {
      generation = { startedAt: now, lastEndedAt: endedAt, keys: new Map() };
      this.#generations.push(generation);
    }
    generation.lastEndedAt = Math.max(generation.lastEndedAt, endedAt);
    const before = generation.keys.size;
    generation.keys.set(id, fingerprint.slice(0, fingerprintLength));
    this.#size += generation.keys.size - before;
    if (this.#size > mostKeys) this.#incompleteUntil = Math.max(this.#incompleteUntil, this.#dropOldest());
  }

  /** What the fingerprint of this key's body begins with; undefined for a key that is not known here. */
  find(id: string): string | undefined {
    this.#dropOld(performance.now());
    for (const { keys } of this.#generations) {
      const fingerprint = keys.get(id);
      if (fingerprint !== undefined) return fingerprint;
    }
    return undefined;
  }

  #dropOld(now: number): void {
    for (;;) {
      const [oldest] = this.#generations;
      if (!oldest || now - oldest.lastEndedAt <= keyLifeMs) return;
      this.#dropOldest();
    }
  }

  /** @returns Until when a key that was dropped should have been known. */
  #dropOldest(): number {
    const oldest = this.#generations.shift();
    if (!oldest) return Number.NEGATIVE_INFINITY;
    this.#size -= oldest.keys.size;
    return oldest.lastEndedAt + keyLifeMs;
  }
}
