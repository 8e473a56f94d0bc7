import { bindPath, headers as names, PingStatus, refusals } from '@sandpiper/protocol';
import { version } from '../../package.json';
import type { Binder } from '../binding/binder.js';
import { describeError, failureFields } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import { uncached } from '../http/cache-policy.js';
import type { Call } from '../http/call.js';
import { corsHeaders, preflight } from '../http/cors.js';
import { jsonReply, type Reply, type ReplyHeaders } from '../http/reply.js';
import { errorReply } from '../invocation/envelope.js';
import type { Invocations } from '../invocation/invocations.js';
import type { Services } from '../invocation/services.js';
import { toJson } from '../json/to-json.js';
import type { Health } from '../ping/health.js';

type Route = (call: Call) => Reply | Promise<Reply>;
type Methods = Readonly<Record<string, Route>>;

/** `/invocations/{id}` and what is below it. */
const invocationPath = /^\/invocations\/([^/]+)(\/events)?$/;

/** Leads a request to what answers it (contract, section 1). */
export class Routes {
  readonly #services: Services;
  readonly #paths: Readonly<Record<string, Methods>>;
  readonly #ofInvocation: { readonly state: Methods; readonly events: Methods };

  constructor(services: Services, invocations: Invocations, health: Health, binder: Binder) {
    this.#services = services;
    this.#paths = {
      '/invocations': { POST: (call) => invocations.invoke(call) },
      '/ping': { GET: () => this.#ping(health) },
      '/': { GET: () => this.#about() },
      ...(services.config.enableMetrics && { '/metrics': { GET: () => this.#metrics() } }),
      ...(binder.isPooled && { [bindPath]: { POST: ({ incoming }: Call) => binder.bind(incoming) } }),
    };
    this.#ofInvocation = {
      state: { GET: (call) => invocations.state(call), DELETE: (call) => invocations.cancel(call) },
      events: { GET: (call) => invocations.events(call) },
    };
  }

  /** Answers a call: what `respond` throws becomes an error reply, and every reply says what it belongs to. */
  answer(call: Call, respond: (call: Call) => Reply | Promise<Reply>): Reply | Promise<Reply> {
    try {
      const reply = respond(call);
      if (!(reply instanceof Promise)) return this.#signed(reply, call);
      return reply.then(
        (made) => this.#signed(made, call),
        (error: unknown) => this.#signed(this.#told(error, call), call),
      );
    } catch (error) {
      return this.#signed(this.#told(error, call), call);
    }
  }

  #told(error: unknown, call: Call): Reply {
    const { responseFormat, debug } = this.#services.config;
    const { failure } = call;
    if (failure && failure.error === error) return failure.reply;
    const reply = errorReply(responseFormat, error, call, debug);
    // What the handler threw is logged where it ran; this is the fault of something around it.
    if (reply.status >= 500 && !RequestError.isInstance(error)) {
      this.#services.log.error(
        { request_id: call.requestId, ...failureFields(error) },
        'A request could not be answered.',
      );
    }
    return reply;
  }

  #signed(reply: Reply, call: Call): Reply {
    const signature = [names.requestId, call.requestId];
    if (call.incoming.header('origin') !== undefined) {
      signature.push(...corsHeaders(call.incoming, this.#services.config.corsOrigins));
    }
    if (reply.kind === 'passed') dropNamed(signature, reply.response.headers);
    reply.headers.push(...signature, names.invocationId, call.invocationId);
    reply.headers.push(names.runtimeInstance, this.#services.instance);
    return reply;
  }

  /** @throws RequestError 404 and 405, and whatever the route throws. */
  route(call: Call): Reply | Promise<Reply> {
    const { method, path } = call.incoming;
    const [methods, id] = this.#find(path);
    if (id !== undefined) call.invocationId = id;
    const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (route) return route(call);
    if (method === 'HEAD' && methods.GET) return methods.GET(call);
    const allow = [...Object.keys(methods), ...(methods.GET ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    if (method === 'OPTIONS') return preflight(call.incoming, allow);
    throw new RequestError(405, refusals.methodNotAllowed, `${path} takes ${allow}, not ${method}.`, {
      headers: { allow },
    });
  }

  #find(path: string): [methods: Methods, id?: string] {
    const exact = Object.hasOwn(this.#paths, path) ? this.#paths[path] : undefined;
    if (exact) return [exact];
    const [, id, events] = invocationPath.exec(path) ?? [];
    if (id === undefined || !isHeaderText(decode(id)))
      throw new RequestError(404, refusals.notFound, `There is nothing at ${path}.`);
    return [events ? this.#ofInvocation.events : this.#ofInvocation.state, decode(id)];
  }

  async #ping(health: Health): Promise<Reply> {
    try {
      return jsonReply(200, toJson(await health.check()));
    } catch (error) {
      if (this.#services.config.responseFormat === 'raw') return jsonReply(200, toJson(health.automatic()));
      const { message } = describeError(error);
      return jsonReply(500, toJson({ status: PingStatus.HealthyBusy, message }));
    }
  }

  async #metrics(): Promise<Reply> {
    const { metrics } = this.#services;
    if (!metrics) throw new RequestError(501, refusals.notImplemented, 'This platform keeps no metrics.');
    const { contentType, text } = await metrics.render();
    return { kind: 'body', status: 200, headers: ['content-type', contentType, ...uncached], body: text };
  }

  #about(): Reply {
    return jsonReply(
      200,
      toJson({
        service: 'sandpiper-agent-runtime',
        version,
        endpoints: [...Object.keys(this.#paths), '/invocations/{id}', '/invocations/{id}/events'],
      }),
    );
  }
}

/** Takes out of flat headers what a `Response` says itself. */
function dropNamed(flat: ReplyHeaders, named: Headers): void {
  for (let at = flat.length - 2; at >= 0; at -= 2) if (named.has(flat[at] ?? '')) flat.splice(at, 2);
}

/** Ids come in headers and go out in them, so what no header can hold names nothing (RFC 9110, section 5.5). */
function isHeaderText(id: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(id);
}

/** A path that is no valid percent-encoding names nothing that is known. */
function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
