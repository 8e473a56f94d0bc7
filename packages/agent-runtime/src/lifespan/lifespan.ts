/** Something to do when the agent starts or stops. */
export type LifespanHook = () => void | Promise<void>;

/** What is done once before the first request, and once after the last. */
export class Lifespan {
  readonly onStart: LifespanHook[] = [];
  readonly onStop: LifespanHook[] = [];
  #started: Promise<void> | undefined;

  /** Runs the start hooks, in their order; the first call does. Rejects when one of them does. */
  start(): Promise<void> {
    this.#started ??= this.#runAll(this.onStart);
    return this.#started;
  }

  /** Runs the stop hooks, the last registered first: what was opened last is closed first. */
  async stop(): Promise<void> {
    if (this.#started) await this.#runAll(this.onStop.toReversed());
  }

  async #runAll(hooks: readonly LifespanHook[]): Promise<void> {
    for (const hook of hooks) await hook();
  }
}
