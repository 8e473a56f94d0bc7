import { bindPath, PingStatus, refusals } from '@sandpiper/protocol';
import { version } from '../../package.json';
import type { Binder } from '../binding/binder.js';
import { describeError } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import { uncached } from '../http/cache-policy.js';
import type { Call } from '../http/call.js';
import { preflight } from '../http/cors.js';
import { jsonReply, type Reply } from '../http/reply.js';
import type { Invocations } from '../invocation/invocations.js';
import type { Services } from '../invocation/services.js';
import { toJson } from '../json/to-json.js';
import type { Health } from '../ping/health.js';

type Route = (call: Call) => Reply | Promise<Reply>;
type Methods = Readonly<Record<string, Route>>;

/** `/invocations/{id}` and what is below it. */
const invocationPath = /^\/invocations\/([^/]+)(\/events)?$/;

/** Finds what handles a request (docs/wire-protocol.md, "Paths"). */
export class Router {
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

  /** Handles a request. @throws RequestError 404 and 405, and whatever the route throws. */
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
