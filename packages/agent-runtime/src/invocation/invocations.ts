import { headers as names, refusals, resumableStream } from '@sandpiper/protocol';
import { Cancellation } from '../cancellation/cancellation.js';
import { RequestContext } from '../context/request-context.js';
import type { Entrypoint } from '../entrypoint/handler.js';
import { checkInput } from '../entrypoint/input-schema.js';
import { RequestError } from '../errors/request-error.js';
import { unavailable } from '../errors/unavailable.js';
import type { Call } from '../http/call.js';
import { jsonReply, type Reply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';
import { callerGone, cancelled } from './endings.js';
import { describeEntry, eventsReply } from './entry-view.js';
import { fingerprint } from './fingerprint.js';
import { Invocation } from './invocation.js';
import type { Entry } from './ledger/entry.js';
import type { Outcome } from './outcome.js';
import { parseBody } from './parse-body.js';
import { expired, replyFrom, type Wishes } from './reply-from.js';
import type { Services } from './services.js';

/** Runs the entry point, once for each invocation, and answers for those it knows (contract, sections 1 and 5). */
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
    const wanted = incoming.header(names.ifRuntimeInstance);
    if (wanted !== undefined && wanted !== instance) throw restarted();
    const { entrypoint } = this;
    if (!entrypoint) throw new RequestError(500, refusals.noEntrypoint, 'No entrypoint registered');
    // It is kept for as long as the invocation is.
    if (call.invocationId.length > longestId) throw idTooLong();
    const request = { call, entrypoint, wishes: this.#wishes(call) };
    return incoming.readText(config.maxRequestSize).then((text) => this.#receive(request, text));
  }

  // Only what has to wait is asynchronous: each promise costs as much as parsing the request.
  #receive(request: RunRequest, text: string): Reply | Promise<Reply> {
    const { call, entrypoint } = request;
    const body = parseBody(text);
    const print = call.incoming.header(names.idempotencyKey) ? fingerprint(text) : undefined;
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
    const { call, wishes } = request;
    const entry = this.#known(call, print, wishes) ?? this.#begin(request, input, print);
    return replyFrom(entry, call, wishes);
  }

  /** `GET /invocations/{id}` */
  state({ invocationId }: Call): Reply {
    return jsonReply(
      200,
      toJson(describeEntry(this.#find(invocationId), this.#services.config.responseFormat)),
    );
  }

  /** `GET /invocations/{id}/events` */
  events(call: Call): Promise<Reply> {
    const id = call.invocationId;
    const wishes: Wishes = { ...this.#wishes(call), resumable: true };
    if (wishes.after !== undefined && !this.#services.ledger.find(id)) throw expired(id);
    return eventsReply(this.#find(id), call, this.#services.config.responseFormat, wishes);
  }

  /** `DELETE /invocations/{id}` */
  cancel({ invocationId }: Call): Reply {
    const entry = this.#find(invocationId);
    entry.cancel();
    return jsonReply(202, toJson(describeEntry(entry, this.#services.config.responseFormat)));
  }

  #find(id: string): Entry<Outcome> {
    const entry = this.#services.ledger.find(id);
    if (!entry) throw new RequestError(404, refusals.notFound, `No invocation ${id} is known.`);
    return entry;
  }

  #wishes({ incoming }: Call): Wishes {
    const seen = incoming.header(names.lastEventId);
    if (seen !== undefined && !/^\d{1,15}$/.test(seen)) {
      throw new RequestError(
        400,
        refusals.badRequest,
        `${names.lastEventId} must be the number of an event.`,
      );
    }
    return {
      resumable: incoming.header(names.streamProtocol) === resumableStream,
      after: seen === undefined ? undefined : Number(seen),
      heartbeatMs: this.#services.config.heartbeatMs,
    };
  }

  /** The invocation that the caller's key already names. */
  #known(call: Call, print: string | undefined, wishes: Wishes): Entry<Outcome> | undefined {
    const entry = print === undefined ? undefined : this.#services.ledger.find(call.invocationId);
    if (entry?.fingerprint === undefined) {
      // It asks to go on with what is not known here: to run it now might run it twice.
      if (wishes.after !== undefined) throw expired(call.invocationId);
      return undefined;
    }
    if (entry.fingerprint !== print) {
      throw new RequestError(
        422,
        refusals.keyReused,
        `The ${names.idempotencyKey} ${call.invocationId} was used with another body.`,
      );
    }
    return entry;
  }

  #begin({ call, entrypoint, wishes }: RunRequest, input: Input, print: string | undefined): Entry<Outcome> {
    this.#admit();
    const { config, ledger } = this.#services;
    const cancellation = new Cancellation();
    const entry = ledger.begin({
      id: call.invocationId,
      fingerprint: print,
      isRecorded: print !== undefined || wishes.resumable,
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
  readonly wishes: Wishes;
}

/** A request's body as it came, and as the input schema made it. */
interface Input {
  readonly body: unknown;
  readonly parsed: unknown;
}

/** In characters; far above any UUID, far below what a header may be. */
const longestId = 256;

function idTooLong(): RequestError {
  const message = `${names.idempotencyKey} and ${names.requestId} may have ${longestId} characters.`;
  return new RequestError(400, refusals.badRequest, message);
}

function restarted(): RequestError {
  return new RequestError(
    409,
    refusals.runtimeRestarted,
    `The agent was restarted: ${names.ifRuntimeInstance} names a process that is gone. Nothing was run.`,
  );
}
