/**
 * Says once that an invocation shall stop, and why. Cheaper than an `AbortController`, which is made only for
 * handlers that ask for the signal.
 */
export class Cancellation {
  /** Why; undefined while the invocation may go on. */
  reason: Error | undefined;
  #controller: AbortController | undefined;
  #listeners: ((reason: Error) => void)[] | undefined;

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.reason) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  /** Stops the invocation; the first reason stands. */
  cancel(reason: Error): void {
    if (this.reason) return;
    this.reason = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#listeners ?? []) listener(reason);
  }

  onCancel(listener: (reason: Error) => void): void {
    if (this.reason) listener(this.reason);
    else if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
  }
}
