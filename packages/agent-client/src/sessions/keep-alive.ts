import { longestMs } from '../check-options.js';

/** Extends a sandbox's time for as long as calls are in flight, so that no idle timer kills an agent that thinks. */
export class KeepAlive {
  readonly #intervalMs: number;
  readonly #refresh: () => Promise<void>;
  readonly #onFailed: (error: unknown) => void;
  #inFlight = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param lifetimeMs - How long one refresh lasts.
   * @param onFailed - Called when a refresh failed. A sandbox that is gone fails the call itself, too.
   */
  constructor(lifetimeMs: number, refresh: () => Promise<void>, onFailed: (error: unknown) => void) {
    // Two may fail before the time is up.
    this.#intervalMs = Math.min(Math.max(lifetimeMs / 3, 100), longestMs);
    this.#refresh = refresh;
    this.#onFailed = onFailed;
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

  #tick(): void {
    this.#refresh().catch(this.#onFailed);
  }
}
