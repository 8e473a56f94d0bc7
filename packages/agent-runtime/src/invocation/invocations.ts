import {
  headers as headerNames,
  invocationKeyProblem,
  longestInvocationId,
  refusals,
  resumableStream,
} from '@sandpiper/protocol';
import { Cancellation } from '../cancellation/cancellation.js';
import { RequestContext } from '../context/request-context.js';
import type { Entrypoint } from '../entrypoint/handler.js';
import { checkInput } from '../entrypoint/input-schema.js';
import { RequestError } from '../errors/request-error.js';
import { unavailable } from '../errors/unavailable.js';
import type { Call } from '../http/call.js';
import { parseBody } from '../http/parse-body.js';
import { jsonReply, type Reply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';
import { eventStreamHeaders } from '../stream/frames.js';
import { describeEntry, eventsReply } from './entry-view.js';
import { fingerprint } from './fingerprint.js';
import type { Entry } from './idempotency/entry.js';
import { Invocation } from './invocation.js';
import type { Outcome } from './outcome.js';
import { expired, type ReplyOptions, replyToCaller } from './reply-to-caller.js';
import type { Services } from './services.js';
import { callerGone, cancelled } from './termination-reasons.js';

/** Runs the entry point, once for each invocation, and answers for those it knows (docs/wire-protocol.md, "Paths" and "At most once"). */
export class Invocations {
  entrypoint: Entrypoint | undefined;
  readonly #services: Services;
  readonly #onEnd = (): void => {
    this.#running--;
  };
  #running = 0;

  constructor(services: Services) {
    this.#services = services;
  }

  /** `POST /invocations` */
  invoke(call: Call): Promise<Reply> {
    const { incoming } = call;
    const { config, instance } = this.#services;
    const wanted = incoming.header(headerNames.ifRuntimeInstance);
    if (wanted !== undefined && wanted !== instance) throw restarted();
    const { entrypoint } = this;
    if (!entrypoint) throw new RequestError(500, refusals.noEntrypoint, 'No entrypoint registered');
    checkIds(call);
    const request = { call, entrypoint, replyOptions: this.#replyOptions(call), attempt: attemptOf(call) };
    return incoming.readText(config.maxRequestBytes).then((text) => this.#receive(request, text));
  }

  // Only what has to wait is asynchronous: each promise costs as much as parsing the request.
  #receive(request: RunRequest, text: string): Reply | Promise<Reply> {
    const { call, entrypoint } = request;
    const body = parseBody(text);
    const print = call.incoming.header(headerNames.idempotencyKey) ? fingerprint(text) : undefined;
    if (!entrypoint.input && !(print instanceof Promise)) {
      return this.#enter(request, { body, parsed: body }, print);
    }
    return this.#check(request, body, print);
  }

  async #check(
    request: RunRequest,
    body: unknown,
    print: string | Promise<string> | undefined,
  ): Promise<Reply> {
    const { input } = request.entrypoint;
    const parsed = input ? await checkInput(input, body) : body;
    return this.#enter(request, { body, parsed }, await print);
  }

  /** Nothing in here may wait: of two requests with one key, the second must find the entry of the first. */
  #enter(request: RunRequest, input: Input, print: string | undefined): Reply | Promise<Reply> {
    const { call, replyOptions } = request;
    const entry = this.#known(request, print) ?? this.#begin(request, input, print);
    return replyToCaller(entry, call, replyOptions);
  }

  /** `GET /invocations/{id}` */
  state({ invocationId }: Call): Reply {
    return jsonReply(
      200,
      toJson(describeEntry(this.#find(invocationId), this.#services.config.responseFormat)),
    );
  }

  /** `GET /invocations/{id}/events` */
  events(call: Call): Reply {
    const id = call.invocationId;
    const replyOptions: ReplyOptions = { ...this.#replyOptions(call), resumable: true };
    if (replyOptions.after !== undefined && !this.#services.idempotencyStore.find(id)) throw expired(id);
    const entry = this.#find(id);
    // Who asks for the head only does not wait for the invocation, and keeps none going.
    if (call.incoming.method === 'HEAD') {
      return { kind: 'stream', status: 200, headers: eventStreamHeaders(true), open: (sink) => sink.end() };
    }
    return eventsReply(entry, call, { format: this.#services.config.responseFormat, replyOptions });
  }

  /** `DELETE /invocations/{id}` */
  cancel({ invocationId }: Call): Reply {
    const entry = this.#find(invocationId);
    entry.cancel();
    return jsonReply(202, toJson(describeEntry(entry, this.#services.config.responseFormat)));
  }

  #find(id: string): Entry<Outcome> {
    const { idempotencyStore } = this.#services;
    const entry = idempotencyStore.find(id);
    if (!entry && idempotencyStore.forgottenKeys.find(id) !== undefined) throw expired(id);
    if (!entry) throw new RequestError(404, refusals.notFound, `No invocation ${id} is known.`);
    return entry;
  }

  #replyOptions({ incoming }: Call): ReplyOptions {
    const seen = incoming.header(headerNames.lastEventId);
    if (seen !== undefined && !/^\d{1,15}$/.test(seen)) {
      throw new RequestError(
        400,
        refusals.badRequest,
        `${headerNames.lastEventId} must be the number of an event.`,
      );
    }
    return {
      resumable: incoming.header(headerNames.streamProtocol) === resumableStream,
      after: seen === undefined ? undefined : Number(seen),
      heartbeatMs: this.#services.config.heartbeatMs,
    };
  }

  /** The invocation that the caller's key already headerNames. */
  #known({ call, replyOptions, attempt }: RunRequest, print: string | undefined): Entry<Outcome> | undefined {
    const { invocationId: id } = call;
    const { idempotencyStore } = this.#services;
    if (print !== undefined) {
      const entry = idempotencyStore.find(id);
      const known = entry?.fingerprint ?? idempotencyStore.forgottenKeys.find(id);
      if (known !== undefined && !print.startsWith(known)) throw keyReused(id);
      if (entry?.fingerprint !== undefined) return entry;
      // It ran before; or this is a retry, and that it ran may be what was forgotten.
      if (known !== undefined || (attempt > 1 && !idempotencyStore.forgottenKeys.isComplete))
        throw expired(id);
    }
    // It asks to go on with what is not known here: to run it now might run it twice.
    if (replyOptions.after !== undefined) throw expired(id);
    return undefined;
  }

  #begin(
    { call, entrypoint, replyOptions }: RunRequest,
    input: Input,
    print: string | undefined,
  ): Entry<Outcome> {
    this.#admit();
    const { config, idempotencyStore } = this.#services;
    const cancellation = new Cancellation();
    const entry = idempotencyStore.begin({
      id: call.invocationId,
      fingerprint: print,
      isRecorded: print !== undefined || replyOptions.resumable,
      graceMs: print === undefined ? 0 : config.resumeGraceMs,
      cancel: (why) => cancellation.cancel(why === 'asked' ? cancelled() : callerGone()),
    });
    const context = new RequestContext(call, input.body, cancellation, this.#services);
    this.#running++;
    const invocation = new Invocation(call, context, cancellation, entry, this.#services, this.#onEnd);
    invocation.run(() => entrypoint.handler(input.parsed as never, context));
    return entry;
  }

  #admit(): void {
    const { config, work } = this.#services;
    if (work.isDraining) throw unavailable('The agent is shutting down.');
    if (this.#running >= config.maxConcurrency) {
      throw unavailable(
        `The agent runs ${config.maxConcurrency} invocations already (RuntimeConfig.maxConcurrency, AGENT_RUNTIME_MAX_CONCURRENCY).`,
      );
    }
  }
}

/** A request to run the entry point. */
interface RunRequest {
  readonly call: Call;
  readonly entrypoint: Entrypoint;
  readonly replyOptions: ReplyOptions;
  /** Which request of its key this is, by the caller's count from 1. */
  readonly attempt: number;
}

/** A request's body as it came, and as the input schema made it. */
interface Input {
  readonly body: unknown;
  readonly parsed: unknown;
}

/** They are kept for as long as the invocation is, and name it in paths. @throws RequestError 400 */
function checkIds({ incoming, requestId }: Call): void {
  const key = incoming.header(headerNames.idempotencyKey);
  const problem = key
    ? invocationKeyProblem(key)
    : requestId.length > longestInvocationId && `may have ${longestInvocationId} characters`;
  if (!problem) return;
  const message = `${key ? headerNames.idempotencyKey : headerNames.requestId} ${problem}.`;
  throw new RequestError(400, refusals.badRequest, message);
}

function attemptOf({ incoming }: Call): number {
  const attempt = incoming.header(headerNames.invocationAttempt) ?? '1';
  if (/^[1-9]\d{0,8}$/.test(attempt)) return Number(attempt);
  const message = `${headerNames.invocationAttempt} must be a number from 1 to 999999999, not ${attempt}.`;
  throw new RequestError(400, refusals.badRequest, message);
}

function keyReused(id: string): RequestError {
  const message = `The ${headerNames.idempotencyKey} ${id} was used with another body.`;
  return new RequestError(422, refusals.keyReused, message);
}

function restarted(): RequestError {
  return new RequestError(
    409,
    refusals.runtimeRestarted,
    `The agent was restarted: ${headerNames.ifRuntimeInstance} names a process that is gone. Nothing was run.`,
  );
}
