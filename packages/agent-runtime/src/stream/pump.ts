import type { Cancellation } from '../cancellation/cancellation.js';
import { Heartbeat } from './heartbeat.js';
import type { Sink } from './sink.js';
import type { AnyIterator } from './to-iterator.js';

/** What turns an iterator's values, and its end, into text for a sink. */
export interface StreamFrames {
  value(value: unknown): string;
  /** The last frame; undefined where an end needs none. */
  end(thrown?: { error: unknown }): string | undefined;
}

/**
 * Moves values from an iterator to a reader at the reader's pace: while the reader is behind, the iterator is
 * not asked for more. When the invocation is cancelled the stream gets its ending and the iterator's `return`
 * is called at once, even while the pump waits for either of them, so that a generator's `finally` runs.
 */
export class Pump {
  readonly #iterator: AnyIterator;
  readonly #sink: Sink;
  readonly #frames: StreamFrames;
  readonly #cancellation: Cancellation;
  readonly #heartbeat: Heartbeat;
  #wake: (() => void) | undefined;

  constructor(
    iterator: AnyIterator,
    sink: Sink,
    frames: StreamFrames,
    cancellation: Cancellation,
    heartbeatMs: number,
  ) {
    this.#iterator = iterator;
    this.#sink = sink;
    this.#frames = frames;
    this.#cancellation = cancellation;
    this.#heartbeat = new Heartbeat(sink, heartbeatMs);
    sink.onDrain = () => this.#wake?.();
  }

  /** Resolves when the iterator has come to its real end, its clean-up included. Never rejects. */
  async run(): Promise<void> {
    this.#cancellation.onCancel((reason) => this.#cancelled(reason));
    try {
      while (!this.#cancellation.reason) {
        const pending = this.#iterator.next();
        // A sync iterator costs no turn of the event loop.
        const step = 'then' in pending ? await pending : pending;
        if (this.#cancellation.reason) break;
        if (step.done) return this.#close();
        this.#heartbeat.beat();
        if (!this.#sink.write(this.#frames.value(step.value))) await this.#untilDrained();
      }
    } catch (error) {
      // What a cancelled iterator still throws has no reader.
      if (!this.#cancellation.reason) this.#close({ error });
    }
    await this.#returnIterator();
  }

  #untilDrained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #cancelled(reason: Error): void {
    void this.#returnIterator();
    this.#close({ error: reason });
    this.#wake?.();
  }

  /** Lets a generator's `finally` run. Its outcome changes nothing: the stream has its ending. */
  async #returnIterator(): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch {
      // As above.
    }
  }

  #close(thrown?: { error: unknown }): void {
    this.#heartbeat.stop();
    const last = this.#frames.end(thrown);
    if (last !== undefined) this.#sink.write(last);
    this.#sink.end();
  }
}
