import type { InvocationState } from '@sandpiper/protocol';
import type { Cancellation } from '../cancellation/cancellation.js';
import { runInContext } from '../context/agent-runtime-context.js';
import { type RequestContext, usageOf } from '../context/request-context.js';
import { describeError } from '../errors/describe-error.js';
import { withCachePolicy } from '../http/cache-policy.js';
import type { Call } from '../http/call.js';
import { errorReply, successBody, usageHeader } from '../http/envelope.js';
import { type BodyReply, jsonReply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';
import type { EventLog } from '../stream/event-log.js';
import type { Failure } from '../stream/failure.js';
import { type FinalFrame, finalFrame } from '../stream/final-frame.js';
import { LogWriter } from '../stream/log-writer.js';
import { Pump } from '../stream/pump.js';
import { type AnyIterator, readerIterator, toIterator } from '../stream/to-iterator.js';
import { type InvocationSpan, startSpan } from '../trace/invocation-span.js';
import type { Entry } from './idempotency/entry.js';
import type { Outcome } from './outcome.js';
import type { Services } from './services.js';
import { isUnwanted, timedOut } from './termination-reasons.js';

/** One run of the handler: from its call to its real end. What comes of it goes into its entry. */
export class Invocation {
  readonly #call: Call;
  readonly #context: RequestContext;
  readonly #cancellation: Cancellation;
  readonly #entry: Entry<Outcome>;
  readonly #services: Services;
  readonly #onEnd: () => void;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  readonly #span: InvocationSpan | undefined;
  #onReleased: (() => void) | undefined;
  #isAnswered = false;
  /** Whether it is known what comes of it. */
  #isOpen = false;

  constructor(
    call: Call,
    context: RequestContext,
    cancellation: Cancellation,
    entry: Entry<Outcome>,
    services: Services,
    onEnd: () => void,
  ) {
    this.#call = call;
    this.#context = context;
    this.#cancellation = cancellation;
    this.#entry = entry;
    this.#services = services;
    this.#onEnd = onEnd;
    this.#span = startSpan(call);
    services.work.begin(cancellation);
    call.keepAlive?.(
      new Promise<void>((resolve) => {
        this.#onReleased = resolve;
      }),
    );
  }

  /** Runs the handler. What it throws is its outcome too. */
  run(handler: () => unknown): void {
    let returned: unknown;
    try {
      returned = this.#within(handler);
    } catch (error) {
      this.#threw(error);
      return;
    }
    if (isPromise(returned)) this.#await(returned);
    else this.#returned(returned);
  }

  /** Waits for the handler. When it is cancelled its callers are answered at once, and it runs on to its real end. */
  #await(promise: PromiseLike<unknown>): void {
    this.#startDeadline();
    this.#cancellation.onCancel((reason) => {
      if (!this.#isOpen) this.#fail(reason);
    });
    promise.then(
      (value) => this.#returned(value),
      (error: unknown) => this.#threw(error),
    );
  }

  #returned(value: unknown): void {
    try {
      const iterator = value instanceof Response ? undefined : toIterator(value);
      if (this.#isOpen) this.#release();
      else if (value instanceof Response) this.#openBody(value);
      else if (iterator) this.#openValues(iterator);
      else {
        const json = toJson(value);
        const seconds = this.#call.seconds();
        const usage = usageOf(this.#context);
        const reply =
          this.#services.config.responseFormat === 'raw'
            ? jsonReply(200, json, ...usageHeader(usage))
            : jsonReply(200, successBody(json, this.#call, { seconds, usage }));
        this.#openAnswer(reply, seconds);
        this.#release();
      }
    } catch (error) {
      // The value cannot be written.
      this.#threw(error);
    }
  }

  #threw(error: unknown): void {
    if (!this.#isOpen) this.#fail(error);
    this.#release();
  }

  #startDeadline(): void {
    const { timeoutMs } = this.#services.config;
    if (timeoutMs === 0 || this.#deadline !== undefined) return;
    this.#deadline = setTimeout(() => this.#cancellation.cancel(timedOut(timeoutMs)), timeoutMs);
  }

  #openAnswer({ status, headers, body }: Omit<BodyReply, 'kind'>, seconds: number, failure?: Failure): void {
    this.#isOpen = true;
    const { requestId } = this.#call;
    const bytes = body.length;
    const usage = usageOf(this.#context);
    this.#entry.open({ kind: 'answer', status, headers, body, bytes, requestId, seconds, usage, failure });
    this.#services.metrics?.answered(seconds);
    this.#settle(failure, seconds);
  }

  #openValues(iterator: AnyIterator): void {
    const log = this.#services.idempotencyStore.createLog<string, FinalFrame>(this.#entry.isRecorded);
    const start = this.#starter(iterator, log, {
      item: toJson,
      end: (failure, seconds) => finalFrame(this.#call, seconds, { failure, usage: usageOf(this.#context) }),
    });
    this.#isOpen = true;
    this.#entry.open({ kind: 'values', log, start, bytes: 0, forget: log.forget.bind(log) });
    if (this.#entry.isRecorded) start();
  }

  #openBody(response: Response): void {
    const { status, body } = response;
    if (status === 0)
      throw new TypeError('The handler returned Response.error(), which no caller can be sent.');
    const headers = [...withCachePolicy(response), ...usageHeader(usageOf(this.#context))];
    if (!body) {
      this.#openAnswer({ status, headers, body: '' }, this.#call.seconds());
      this.#release();
      return;
    }
    const log = this.#services.idempotencyStore.createLog<Uint8Array, Failure | undefined>(
      this.#entry.isRecorded,
    );
    const start = this.#starter(readerIterator(body), log, { item: bytesOf, end: (failure) => failure });
    this.#isOpen = true;
    this.#entry.open({ kind: 'body', status, headers, log, start, bytes: 0, forget: log.forget.bind(log) });
    if (this.#entry.isRecorded) start();
  }

  /** Moves a stream's values into its log, from the first call on; at the latest when it is cancelled. */
  #starter<Item extends { readonly length: number }, End>(
    iterator: AnyIterator,
    log: EventLog<Item, End>,
    encoding: StreamEncoding<Item, End>,
  ): () => void {
    const end = (failure: Failure | undefined): End => {
      const seconds = this.#call.seconds();
      this.#settle(failure, seconds);
      return encoding.end(failure, seconds);
    };
    const writer = new LogWriter(log, { item: encoding.item, end }, this.#onValue);
    const start = once(() => {
      this.#startDeadline();
      const pump = new Pump(iterator, writer, this.#cancellation);
      const release = (): void => this.#release();
      this.#within(() => pump.run()).then(release, release);
    });
    this.#cancellation.onCancel(start);
    return start;
  }

  #fail(error: unknown): void {
    const { responseFormat, debug } = this.#services.config;
    const seconds = this.#call.seconds();
    const facts = { seconds, usage: usageOf(this.#context) };
    this.#openAnswer(errorReply(responseFormat, error, this.#call, debug, facts), seconds, { error });
  }

  /** What came of it is known. */
  #settle(failure: Failure | undefined, seconds: number): void {
    clearTimeout(this.#deadline);
    const state = this.#stateAfter(failure);
    this.#services.idempotencyStore.end(this.#entry, state);
    const errorType = failure && this.#logFailure(failure.error);
    this.#services.metrics?.ended(state, errorType, seconds);
    this.#span?.end(failure?.error instanceof Error ? failure.error : undefined);
  }

  #within<T>(run: () => T): T {
    if (!this.#span) return runInContext(this.#context, run);
    return this.#span.within(() => runInContext(this.#context, run));
  }

  /** The handler has come to its real end. */
  #release(): void {
    this.#services.work.end(this.#cancellation);
    this.#onEnd();
    this.#onReleased?.();
  }

  #stateAfter(failure: Failure | undefined): Exclude<InvocationState, 'running'> {
    if (!failure) return 'succeeded';
    const { reason } = this.#cancellation;
    return reason !== undefined && reason === failure.error && isUnwanted(reason) ? 'cancelled' : 'failed';
  }

  readonly #onValue = (): void => {
    const { metrics } = this.#services;
    metrics?.streamed();
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    metrics?.answered(this.#call.seconds());
  };

  /** @returns What the wire calls the error. */
  #logFailure(error: unknown): string {
    const { message, type, stack } = describeError(error);
    const fields = { error_type: type, error: message };
    if (error === this.#cancellation.reason) this.#context.log.info(fields, 'The invocation was ended.');
    else this.#context.log.error({ ...fields, stack }, 'The handler failed.');
    return type;
  }
}

/** How the values of a stream become the events of a log, and its end the last of them. */
interface StreamEncoding<Item, End> {
  item(value: unknown): Item;
  end(failure: Failure | undefined, seconds: number): End;
}

/** Runs a function at the first call, and lets go of it then: it is kept with an outcome, long after the request. */
function once(run: () => void): () => void {
  let pending: (() => void) | undefined = run;
  return () => {
    const first = pending;
    pending = undefined;
    first?.();
  };
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new TypeError('The body of a Response must be bytes.');
}
