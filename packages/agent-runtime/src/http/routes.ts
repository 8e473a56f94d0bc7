import { headers as names, PingStatus } from '@sandpiper/protocol';
import { version } from '../../package.json';
import type { ResolvedConfig } from '../config.js';
import { describeError } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import { errorReply, jsonReply } from '../invocation/envelope.js';
import type { Invocations } from '../invocation/invocations.js';
import { toJson } from '../json/to-json.js';
import type { Health } from '../ping/health.js';
import type { Call } from './call.js';
import { corsHeaders, preflight } from './cors.js';
import type { Reply } from './reply.js';

type Route = (call: Call) => Reply | Promise<Reply>;

/** Leads a request to what answers it (contract, section 1). */
export class Routes {
  /** New at each start: tells callers whether they speak to the process they spoke to before. */
  readonly instance: string = crypto.randomUUID();
  readonly #config: ResolvedConfig;
  readonly #paths: Record<string, Record<string, Route>>;

  constructor(config: ResolvedConfig, invocations: Invocations, health: Health) {
    this.#config = config;
    this.#paths = {
      '/invocations': { POST: (call) => invocations.invoke(call) },
      '/ping': { GET: () => this.#ping(health) },
      '/': { GET: () => this.#about() },
    };
  }

  /** Answers a call: what `respond` throws becomes an error reply, and every reply says what it belongs to. */
  async answer(call: Call, respond: (call: Call) => Promise<Reply>): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await respond(call);
    } catch (error) {
      reply = errorReply(this.#config.responseFormat, error, call, this.#config.debug);
    }
    const { headers } = reply;
    headers[names.requestId] = call.requestId;
    headers[names.invocationId] = call.invocationId;
    headers[names.runtimeInstance] = this.instance;
    if (call.incoming.header('origin') !== undefined) {
      Object.assign(headers, corsHeaders(call.incoming, this.#config.corsOrigins));
    }
    return reply;
  }

  /** @throws RequestError 404 and 405, and whatever the route throws. */
  async route(call: Call): Promise<Reply> {
    const { method, path } = call.incoming;
    const methods = Object.hasOwn(this.#paths, path) ? this.#paths[path] : undefined;
    if (!methods) throw new RequestError(404, 'NotFoundError', `There is nothing at ${path}.`);
    const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (route) return route(call);
    if (method === 'HEAD' && methods.GET) return methods.GET(call);
    const allow = [...Object.keys(methods), ...(methods.GET ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    if (method === 'OPTIONS') return preflight(call.incoming, allow);
    throw new RequestError(405, 'MethodNotAllowedError', `${path} takes ${allow}, not ${method}.`, {
      headers: { allow },
    });
  }

  async #ping(health: Health): Promise<Reply> {
    try {
      return jsonReply(200, toJson(await health.check()));
    } catch (error) {
      if (this.#config.responseFormat === 'raw') return jsonReply(200, toJson(health.automatic()));
      const { message } = describeError(error);
      return jsonReply(500, toJson({ status: PingStatus.HealthyBusy, message }));
    }
  }

  #about(): Reply {
    return jsonReply(
      200,
      toJson({ service: 'sandpiper-agent-runtime', version, endpoints: Object.keys(this.#paths) }),
    );
  }
}
