const failuresAllowed = 3;
const firstPauseMs = 30_000;
const longestPauseMs = 10 * 60_000;

/** Stops what fails again and again, and lets it be tried once in a while. */
export class Breaker {
  #failures = 0;
  #openUntil = 0;

  /** Whether it may not be tried now. */
  isOpen(now: number): boolean {
    return now < this.#openUntil;
  }

  /** When it may be tried again; undefined while it may. */
  openUntil(now: number): Date | undefined {
    return this.isOpen(now) ? new Date(this.#openUntil) : undefined;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = 0;
  }

  /** After the third failure in a row each one makes the pause before the next attempt longer. */
  failed(now: number): void {
    this.#failures += 1;
    const beyond = this.#failures - failuresAllowed;
    if (beyond >= 0) this.#openUntil = now + Math.min(firstPauseMs * 2 ** beyond, longestPauseMs);
  }
}
