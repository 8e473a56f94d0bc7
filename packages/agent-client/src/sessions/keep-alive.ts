import { longestMs } from '../check-options.js';

/** Extends a sandbox's time for as long as calls are in flight, so that no idle timer kills an agent that thinks. */
export class KeepAlive {
  readonly #intervalMs: number;
  readonly #refresh: () => Promise<void>;
  #inFlight = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param timeoutMs - How long one refresh lasts. */
  constructor(timeoutMs: number, refresh: () => Promise<void>) {
    // Two may fail before the time is up.
    this.#intervalMs = Math.min(Math.max(timeoutMs / 3, 100), longestMs);
    this.#refresh = refresh;
  }

  begin(): void {
    this.#inFlight += 1;
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#tick(), this.#intervalMs);
    this.#tick();
  }

  end(): void {
    this.#inFlight -= 1;
    if (this.#inFlight > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A sandbox that is gone is told of by the call itself. */
  #tick(): void {
    this.#refresh().catch(() => {});
  }
}
