import type { Call } from './call.js';
import { plainFrames, toEventResponse, toReadableStream } from './event-stream.js';
import type { InvocationSummary } from './response.js';
import { ResponseReader } from './response-reader.js';

/**
 * The values of an agent's response, as they come. It can be read once, in one way: by `for await`, `text()`, `collect()`,
 * `toReadableStream()` or `toResponse()`. An agent that does not stream gives one value.
 *
 * The call begins when the stream is made. Values that nobody reads hold the agent back; a stream that is not wanted
 * any more is to be cancelled, which leaving a `for await` does.
 *
 * @example
 * const stream = session.stream('Write a story.');
 * for await (const chunk of stream) process.stdout.write(String(chunk));
 * console.log((await stream.response).durationSeconds);
 */
export class AgentStream<T = unknown> implements AsyncIterable<T>, AsyncDisposable {
  readonly invocationId: string;
  readonly requestId: string;
  readonly #reader: ResponseReader;
  readonly #convert: (value: unknown) => T | Promise<T>;
  readonly #response: Promise<InvocationSummary>;
  #settle: { resolve: (summary: InvocationSummary) => void; reject: (reason: unknown) => void } | undefined;
  /** The read that is under way. The first is so from the start. */
  #pending: Promise<boolean> | undefined;
  #claimed = false;
  #cancelled = false;
  #ended = false;

  /** @internal Made by `session.stream()`. */
  constructor(call: Call, convert: (value: unknown) => T | Promise<T>) {
    this.invocationId = call.invocationId;
    this.requestId = call.requestId;
    this.#reader = new ResponseReader(call);
    this.#convert = convert;
    this.#response = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // The reader of the values gets a failure; nobody has to ask for `response` or to read at all.
    this.#response.catch(() => {});
    this.#pending = this.#advance();
    this.#pending.catch(() => {});
  }

  /** What the invocation came to. Settles when the stream was read to its end, and rejects as the stream does. */
  get response(): Promise<InvocationSummary> {
    return this.#response;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    if (this.#claimed) {
      throw new TypeError('A stream can be read once, and this one has been read or cancelled.');
    }
    this.#claimed = true;
    return {
      next: () => this.#next(),
      return: async () => {
        await this.cancel();
        return { done: true, value: undefined };
      },
    };
  }

  /** Reads to the end. @returns The values' texts, joined; what is no text is written as JSON. */
  async text(): Promise<string> {
    let text = '';
    for await (const value of this) text += typeof value === 'string' ? value : JSON.stringify(value);
    return text;
  }

  /** Reads to the end. @returns The values. */
  async collect(): Promise<T[]> {
    const values: T[] = [];
    for await (const value of this) values.push(value);
    return values;
  }

  /** The values as a web stream, for whatever reads those. Cancelling it cancels the call. */
  toReadableStream(): ReadableStream<T> {
    return toReadableStream(this, () => this.cancel());
  }

  /**
   * The stream as server-sent events, to be handed on to a browser: no faster than it reads, with heartbeats, and stopped
   * when it leaves. An error in mid-stream becomes the last event, `{ error, error_type }`.
   *
   * @example
   * app.post('/chat', async (c) => session.stream(await c.req.json()).toResponse());
   */
  toResponse(init: ResponseInit = {}): Response {
    return toEventResponse(plainFrames(this), () => this.cancel(), init, {
      'x-request-id': this.requestId,
      'x-invocation-id': this.invocationId,
    });
  }

  /** Stops the agent, where it can be cancelled, and frees what the call holds. Does nothing after the end. */
  cancel(): Promise<void> {
    return this.#leave(true);
  }

  /**
   * Stops reading and lets the agent work on. Our runtime keeps the invocation for its `resumeGraceMs` (30 s by default),
   * in which `session.attach(stream.invocationId)` goes on with it; then it is ended. Does nothing after the end.
   */
  detach(): Promise<void> {
    return this.#leave(false);
  }

  /** The same as {@link AgentStream.cancel}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel();
  }

  async #leave(cancels: boolean): Promise<void> {
    if (this.#ended) return;
    this.#claimed = true;
    this.#cancelled = true;
    this.#ended = true;
    this.#settle?.reject(new DOMException('The stream was cancelled.', 'AbortError'));
    await this.#reader.close(cancels);
  }

  /** Costs no turn of the event loop while values that came in one piece are left. */
  #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#pending) return this.#pending.then(() => this.#next());
    const taken = this.#cancelled ? undefined : this.#reader.take();
    if (!taken) {
      if (this.#ended) return Promise.resolve({ done: true, value: undefined });
      this.#pending = this.#advance();
      return this.#next();
    }
    const value = this.#convert(taken.value);
    if (value instanceof Promise) return value.then((checked) => ({ done: false, value: checked }));
    return Promise.resolve({ done: false, value });
  }

  async #advance(): Promise<boolean> {
    try {
      if (await this.#reader.advance()) return true;
      this.#ended = true;
      await this.#reader.close();
      this.#settle?.resolve(this.#reader.summary);
      return false;
    } catch (error) {
      if (this.#cancelled) return false;
      this.#settle?.reject(error);
      await this.#reader.close();
      throw error;
    } finally {
      this.#pending = undefined;
    }
  }
}
