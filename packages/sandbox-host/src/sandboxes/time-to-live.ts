/** How long a sandbox has to live: a clock that runs while the sandbox does and stands still while it is paused. */
export class TimeToLive {
  #endAt: number;
  #stoppedAt: number | undefined;

  /**
   * @param endAt - Unix milliseconds.
   * @param stoppedAt - Since when the clock stands still, if it does.
   */
  constructor(endAt: number, stoppedAt?: number) {
    this.#endAt = endAt;
    this.#stoppedAt = stoppedAt;
  }

  /** When it ends, or would have ended but for the pause. */
  get endAt(): number {
    return this.#endAt;
  }

  get stoppedAt(): number | undefined {
    return this.#stoppedAt;
  }

  get leftMs(): number {
    return this.#endAt - (this.#stoppedAt ?? Date.now());
  }

  set(leftMs: number): void {
    const now = Date.now();
    this.#endAt = now + leftMs;
    if (this.#stoppedAt !== undefined) this.#stoppedAt = now;
  }

  stop(): void {
    this.#stoppedAt ??= Date.now();
  }

  run(): void {
    const left = this.leftMs;
    this.#stoppedAt = undefined;
    this.set(left);
  }
}
