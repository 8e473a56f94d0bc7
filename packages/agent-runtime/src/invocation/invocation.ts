import type { Cancellation } from '../cancellation/cancellation.js';
import { runInContext } from '../context/agent-runtime-context.js';
import type { RequestContext } from '../context/request-context.js';
import { RequestError } from '../errors/request-error.js';
import type { Call } from '../http/call.js';
import type { Reply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';
import { plainFrames } from '../stream/plain-frames.js';
import { Pump } from '../stream/pump.js';
import { type AnyIterator, toIterator } from '../stream/to-iterator.js';
import { jsonReply, type ResponseFormat, successBody } from './envelope.js';

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

/** The settings one invocation runs under. */
export interface InvocationSettings {
  readonly responseFormat: ResponseFormat;
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
}

/** One run of the handler: from its call to its real end, and the reply that comes of it. */
export class Invocation {
  readonly #call: Call;
  readonly #context: RequestContext;
  readonly #cancellation: Cancellation;
  readonly #settings: InvocationSettings;
  readonly #onEnd: () => void;
  readonly #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(
    call: Call,
    context: RequestContext,
    cancellation: Cancellation,
    settings: InvocationSettings,
    onEnd: () => void,
  ) {
    this.#call = call;
    this.#context = context;
    this.#cancellation = cancellation;
    this.#settings = settings;
    this.#onEnd = onEnd;
    const { timeoutMs } = settings;
    if (timeoutMs > 0) this.#deadline = setTimeout(() => cancellation.cancel(timedOut(timeoutMs)), timeoutMs);
  }

  /** @throws whatever the handler throws before its first byte, or the reason it was cancelled for. */
  async run(handler: () => unknown): Promise<Reply> {
    let value: unknown;
    try {
      const returned = runInContext(this.#context, handler);
      value = returned instanceof Promise ? await this.#unlessCancelled(returned) : returned;
    } catch (error) {
      if (!this.#cancellation.reason) this.#end();
      throw error;
    }
    if (value instanceof Response) return this.#pass(value);
    const iterator = toIterator(value);
    if (iterator) return this.#stream(iterator);
    this.#end();
    return jsonReply(200, successBody(this.#settings.responseFormat, toJson(value), this.#call));
  }

  /** A handler that goes on after it was cancelled still counts as running, until it really ends. */
  #unlessCancelled(value: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      value.then(resolve, reject);
      this.#cancellation.onCancel((reason) => {
        reject(reason);
        const end = (): void => this.#end();
        value.then(end, end);
      });
    });
  }

  #pass(response: Response): Reply {
    this.#end();
    return { kind: 'passed', response, headers: {} };
  }

  #stream(iterator: AnyIterator): Reply {
    return {
      kind: 'stream',
      status: 200,
      headers: { ...streamHeaders },
      open: (sink) => {
        const pump = new Pump(iterator, sink, plainFrames, this.#cancellation, this.#settings.heartbeatMs);
        void runInContext(this.#context, () => pump.run()).finally(() => this.#end());
      },
    };
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#onEnd();
  }
}

function timedOut(timeoutMs: number): RequestError {
  return new RequestError(
    504,
    'TimeoutError',
    `The invocation took longer than ${timeoutMs} ms (RuntimeConfig.timeoutMs, AGENT_RUNTIME_TIMEOUT_MS).`,
  );
}
