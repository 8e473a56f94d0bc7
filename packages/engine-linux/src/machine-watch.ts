import type { Logger } from '@sandpiper/sandbox-engine/logger';

/** How often it is looked at what the machine's own programs may have changed and nothing tells of. */
const everyMs = 15_000;

/** One loop for all that is to be looked at from time to time, one after the other, so that it costs next to nothing. */
export class MachineWatch {
  readonly #checks = new Set<() => Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(private readonly logger: Logger) {
    this.#rearm();
  }

  /** @returns what takes it out again. */
  add(check: () => Promise<void>): () => void {
    this.#checks.add(check);
    return () => {
      this.#checks.delete(check);
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #rearm(): void {
    if (!this.#closed) this.#timer = setTimeout(() => this.#look().catch(this.#failed), everyMs).unref();
  }

  #failed = (error: unknown): void =>
    this.logger.error({ err: error }, 'What the machine may have changed could not be looked at');

  /** Never rejects: what cannot be looked at is next time. */
  async #look(): Promise<void> {
    for (const check of [...this.#checks]) {
      await check().catch(this.#failed);
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#rearm();
  }
}
