import type { Logger } from '@sandpiper/protocol';
import { Cancellation } from '../cancellation/cancellation.js';
import { failureFields } from '../errors/describe-error.js';
import type { Work } from './work.js';

/** A background task that runs. */
export interface TaskInfo {
  readonly name: string;
  readonly startedAt: Date;
}

/** Work that outlives the answer: it keeps the agent busy, and shutdown waits for it. */
export class Tasks {
  readonly #work: Work;
  readonly #log: Logger;
  readonly #running = new Set<TaskInfo>();

  constructor(work: Work, log: Logger) {
    this.#work = work;
    this.#log = log;
  }

  list(): TaskInfo[] {
    return [...this.#running];
  }

  /** Runs a task. Its signal aborts when shutdown can wait no longer. What it throws is logged, and given to the caller. */
  run<T>(
    name: string,
    task: (options: { signal: AbortSignal }) => T | Promise<T>,
    log: Logger = this.#log,
  ): Promise<T> {
    const info: TaskInfo = { name, startedAt: new Date() };
    const cancellation = new Cancellation();
    this.#running.add(info);
    this.#work.begin(cancellation);
    // In a function of its own, so that a task that throws at once rejects like any other.
    const result = (async () => task({ signal: cancellation.signal }))();
    result
      .catch((error: unknown) =>
        log.error({ task: name, ...failureFields(error) }, 'A background task failed.'),
      )
      .finally(() => {
        this.#running.delete(info);
        this.#work.end(cancellation);
      });
    return result;
  }
}
