import { headers as names, PingStatus } from '@sandpiper/protocol';
import { version } from '../../package.json';
import { describeError } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import { errorReply } from '../invocation/envelope.js';
import type { Invocations } from '../invocation/invocations.js';
import type { Services } from '../invocation/services.js';
import { toJson } from '../json/to-json.js';
import type { Health } from '../ping/health.js';
import type { Call } from './call.js';
import { corsHeaders, preflight } from './cors.js';
import { jsonReply, type Reply } from './reply.js';

type Route = (call: Call, id: string) => Reply | Promise<Reply>;
type Methods = Readonly<Record<string, Route>>;

/** `/invocations/{id}` and what is below it. */
const invocationPath = /^\/invocations\/([^/]+)(\/events)?$/;

/** Leads a request to what answers it (contract, section 1). */
export class Routes {
  readonly #services: Services;
  readonly #paths: Readonly<Record<string, Methods>>;
  readonly #ofInvocation: { readonly state: Methods; readonly events: Methods };

  constructor(services: Services, invocations: Invocations, health: Health) {
    this.#services = services;
    this.#paths = {
      '/invocations': { POST: (call) => invocations.invoke(call) },
      '/ping': { GET: () => this.#ping(health) },
      '/': { GET: () => this.#about() },
    };
    this.#ofInvocation = {
      state: { GET: (_call, id) => invocations.state(id), DELETE: (_call, id) => invocations.cancel(id) },
      events: { GET: (call, id) => invocations.events(call, id) },
    };
  }

  /** Answers a call: what `respond` throws becomes an error reply, and every reply says what it belongs to. */
  async answer(call: Call, respond: (call: Call) => Promise<Reply>): Promise<Reply> {
    const { config, instance } = this.#services;
    let reply: Reply;
    try {
      reply = await respond(call);
    } catch (error) {
      const { failure } = call;
      const isTold = failure !== undefined && failure.error === error;
      reply = isTold ? failure.reply : errorReply(config.responseFormat, error, call, config.debug);
    }
    const { headers } = reply;
    headers[names.requestId] = call.requestId;
    headers[names.invocationId] = call.invocationId;
    headers[names.runtimeInstance] = instance;
    if (call.incoming.header('origin') !== undefined) {
      Object.assign(headers, corsHeaders(call.incoming, config.corsOrigins));
    }
    return reply;
  }

  /** @throws RequestError 404 and 405, and whatever the route throws. */
  async route(call: Call): Promise<Reply> {
    const { method, path } = call.incoming;
    const [methods, id] = this.#find(path);
    const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (route) return route(call, id);
    if (method === 'HEAD' && methods.GET) return methods.GET(call, id);
    const allow = [...Object.keys(methods), ...(methods.GET ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    if (method === 'OPTIONS') return preflight(call.incoming, allow);
    throw new RequestError(405, 'MethodNotAllowedError', `${path} takes ${allow}, not ${method}.`, {
      headers: { allow },
    });
  }

  #find(path: string): [methods: Methods, id: string] {
    const exact = Object.hasOwn(this.#paths, path) ? this.#paths[path] : undefined;
    if (exact) return [exact, ''];
    const [, id, events] = invocationPath.exec(path) ?? [];
    if (id === undefined) throw new RequestError(404, 'NotFoundError', `There is nothing at ${path}.`);
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

/** A path that is no valid percent-encoding names nothing that is known. */
function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
