import type { Cancellation } from '../cancellation/cancellation.js';
import type { LogWriter } from './log-writer.js';
import type { AnyIterator } from './to-iterator.js';

/**
 * Moves values from an iterator to a log at the pace of the log's subscribers: while they are behind, the iterator is
 * not asked for more. When the invocation is cancelled the stream gets its end and the iterator's `return`
 * is called at once, even while the pump waits for either of them, so that a generator's `finally` runs.
 */
export class Pump<Item extends { readonly length: number }, End> {
  readonly #iterator: AnyIterator;
  readonly #writer: LogWriter<Item, End>;
  readonly #cancellation: Cancellation;
  #wake: (() => void) | undefined;

  constructor(iterator: AnyIterator, writer: LogWriter<Item, End>, cancellation: Cancellation) {
    this.#iterator = iterator;
    this.#writer = writer;
    this.#cancellation = cancellation;
    writer.onDrain = () => this.#wake?.();
  }

  /** Resolves when the iterator has come to its real end, its clean-up included. Never rejects. */
  async run(): Promise<void> {
    const cancellation = this.#cancellation;
    let steps = 0;
    let lastTurn = performance.now();
    cancellation.onCancel((reason) => this.#cancelled(reason));
    try {
      while (!cancellation.reason) {
        const pending = this.#iterator.next();
        // A sync iterator costs no turn of the event loop.
        const step = isPromise(pending) ? await pending : pending;
        if (Object(step) !== step) {
          throw new TypeError(
            `next() of the iterator gave ${String(step)}, which is no object with "done" and "value".`,
          );
        }
        if (cancellation.reason) break;
        if (step.done) return this.#writer.end();
        if (!this.#writer.write(step.value)) await this.#untilDrained();
        if (++steps % 8 === 0 && performance.now() - lastTurn > longestMs) {
          await turn();
          lastTurn = performance.now();
        }
      }
    } catch (error) {
      // What a cancelled iterator still throws has no reader.
      if (!cancellation.reason) this.#writer.end({ error });
    }
    await this.#returnIterator();
  }

  #untilDrained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #cancelled(reason: Error): void {
    this.#returnIterator().catch(() => {});
    this.#writer.end({ error: reason });
    this.#wake?.();
  }

  /** Lets a generator's `finally` run. Its outcome changes nothing: the stream has its end. */
  async #returnIterator(): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch {
      // As above.
    }
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

/** A generator that never waits, with a reader that always takes, would keep the event loop from everything else. */
const longestMs = 10;

/** Lets the event loop do what else there is: timers, sockets, signals. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if ('setImmediate' in globalThis) setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
