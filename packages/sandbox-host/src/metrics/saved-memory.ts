import type { Transition } from '../sandboxes/lifecycle-events.js';
import type { Sandbox } from '../sandboxes/sandbox.js';

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
  readonly #sleepers = new Map<Sandbox, Sleeper>();
  #byteSeconds = 0;

  observe({ sandbox, to }: Transition, now: number = performance.now()): void {
    if (to === 'pausing') {
      // Told at once, while it still has all its memory.
      sandbox.sampler.take().catch(() => {});
    } else if (to === 'paused' || to === 'hibernated') {
      const sleeper = this.#sleepers.get(sandbox);
      if (sleeper) this.#count(sandbox, sleeper, now);
      else this.#sleepers.set(sandbox, { usedBytes: usedBytes(sandbox), countedAt: now });
      sandbox.sampler.take().catch(() => {});
    } else {
      const sleeper = this.#sleepers.get(sandbox);
      if (sleeper) this.#count(sandbox, sleeper, now);
      this.#sleepers.delete(sandbox);
    }
  }

  /** The sum so far, in byte-seconds. */
  total(now: number = performance.now()): number {
    for (const [sandbox, sleeper] of this.#sleepers) this.#count(sandbox, sleeper, now);
    return this.#byteSeconds;
  }

  #count(sandbox: Sandbox, sleeper: Sleeper, now: number): void {
    const saved = Math.max(0, sleeper.usedBytes - usedBytes(sandbox));
    this.#byteSeconds += (saved * (now - sleeper.countedAt)) / 1000;
    sleeper.countedAt = now;
  }
}

function usedBytes(sandbox: Sandbox): number {
  return sandbox.sampler.samples().at(-1)?.memoryBytes ?? 0;
}
