import type { SandboxState } from '../events/lifecycle-events.js';

interface Sleeper {
  /** What it used before it slept. */
  usedBytes: number;
  /** Since when it has not been counted, in milliseconds. */
  countedAt: number;
}

/**
 * Adds up the memory that sleeping sandboxes do not use: what each used when it was put to sleep, less what it uses
 * now, times how long. A sandbox that is only frozen saves processor time and no memory.
 */
export class SavedMemory {
  /** What each sandbox used when it was last measured. */
  readonly #used = new Map<string, number>();
  readonly #sleepers = new Map<string, Sleeper>();
  #byteSeconds = 0;

  measured(id: string, memoryBytes: number, now: number = performance.now()): void {
    // What it used until now counts until now.
    this.#countUntil(id, now);
    this.#used.set(id, memoryBytes);
  }

  observe(id: string, state: SandboxState, now: number = performance.now()): void {
    this.#countUntil(id, now);
    if (state === 'paused' || state === 'hibernated') {
      if (!this.#sleepers.has(id))
        this.#sleepers.set(id, { usedBytes: this.#used.get(id) ?? 0, countedAt: now });
    } else if (state !== 'pausing') this.#sleepers.delete(id);
    if (state === 'gone') this.#used.delete(id);
  }

  /** The sum so far, in byte-seconds. */
  total(now: number = performance.now()): number {
    for (const id of this.#sleepers.keys()) this.#countUntil(id, now);
    return this.#byteSeconds;
  }

  #countUntil(id: string, now: number): void {
    const sleeper = this.#sleepers.get(id);
    if (!sleeper) return;
    const saved = Math.max(0, sleeper.usedBytes - (this.#used.get(id) ?? 0));
    this.#byteSeconds += (saved * (now - sleeper.countedAt)) / 1000;
    sleeper.countedAt = now;
  }
}
