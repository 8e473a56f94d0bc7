import { RequestError } from '../errors/request-error.js';

/** Something that runs and can be stopped. */
export interface Running {
  cancel(reason: Error): void;
}

/** How long work that was stopped has for its clean-up. */
const cleanUpMs = 1000;

/** Everything that runs, invocations and background tasks alike: what makes the agent busy and its shutdown wait. */
export class Work {
  /** Called when the first piece begins and when the last one ends. */
  onBusy: ((busy: boolean) => void) | undefined;
  readonly #running = new Set<Running>();
  #onIdle: (() => void) | undefined;
  #isDraining = false;

  /** Whether {@link Work.drain} was called; nothing new should begin then. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** How many pieces run. */
  get size(): number {
    return this.#running.size;
  }

  begin(running: Running): void {
    this.#running.add(running);
    if (this.#running.size === 1) this.onBusy?.(true);
  }

  /** It has come to its real end, its clean-up included. */
  end(running: Running): void {
    this.#running.delete(running);
    if (this.#running.size > 0) return;
    this.onBusy?.(false);
    this.#onIdle?.();
  }

  /** Waits until nothing runs; tells what still does after `graceMs` to stop, and does not wait for it for ever. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    if (this.#running.size === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(() => {
        timer = setTimeout(resolve, cleanUpMs);
        for (const running of this.#running) running.cancel(shutDown());
      }, graceMs);
    });
    clearTimeout(timer);
  }
}

function shutDown(): RequestError {
  return new RequestError(
    500,
    'ShutdownError',
    'The agent was shut down before this ended (RuntimeConfig.shutdownGraceMs, AGENT_RUNTIME_SHUTDOWN_GRACE_MS).',
  );
}
