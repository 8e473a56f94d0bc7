import { type ResolvedConfig, type RuntimeConfig, resolveConfig } from './config.js';
import { AgentRuntimeContext } from './context/agent-runtime-context.js';
import type { RequestContext } from './context/request-context.js';
import { entrypointRegistrar, type RegisterEntrypoint } from './entrypoint/register-entrypoint.js';
import { Call } from './http/call.js';
import type { Incoming } from './http/incoming.js';
import { compose, type Middleware } from './http/middleware.js';
import type { Reply } from './http/reply.js';
import { Routes } from './http/routes.js';
import { toResponse, WebIncoming } from './http/web-door.js';
import { Invocations } from './invocation/invocations.js';
import { type AgentRuntimeServer, listen } from './node/listen.js';
import { Health, type PingHandler } from './ping/health.js';

/** How an {@link AgentRuntimeApp} is made. */
export interface AgentRuntimeAppOptions {
  config?: RuntimeConfig | undefined;
  /** The same as `config.debug`. */
  debug?: boolean | undefined;
}

/**
 * An agent as an HTTP server: a handler becomes `/invocations`, beside `/ping` and streaming.
 *
 * @example
 * ```ts
 * const app = new AgentRuntimeApp();
 * app.entrypoint(async (request) => `You said: ${request.prompt}`);
 * await app.run();
 * ```
 */
export class AgentRuntimeApp {
  readonly #config: ResolvedConfig;
  readonly #health = new Health();
  readonly #invocations: Invocations;
  readonly #routes: Routes;
  readonly #middlewares: Middleware[] = [];
  #server: Promise<AgentRuntimeServer> | undefined;

  /** Registers the handler of `POST /invocations`: a function, a function with an `input` schema, or a method, as a decorator. */
  readonly entrypoint: RegisterEntrypoint;

  /** @throws ValidationError when the configuration, or the environment, is wrong; it names the option and the variable. */
  constructor(options: AgentRuntimeAppOptions = {}) {
    this.#config = resolveConfig({ debug: options.debug, ...options.config });
    this.#invocations = new Invocations(this.#config, this.#health);
    this.#routes = new Routes(this.#config, this.#invocations, this.#health);
    this.entrypoint = entrypointRegistrar((entrypoint) => {
      this.#invocations.entrypoint = entrypoint;
    });
  }

  /** The context of the request that the calling code is working on; undefined outside of one. */
  get context(): RequestContext | undefined {
    return AgentRuntimeContext.getCurrentContext();
  }

  /** Registers a judge of the agent's health, in place of "busy while it works". Gives it back as it is. */
  ping<H extends PingHandler>(handler: H): H {
    this.#health.handler = handler;
    return handler;
  }

  /** Adds a middleware inside those added before. Gives it back as it is. */
  middleware<M extends Middleware>(middleware: M): M {
    this.#middlewares.push(middleware);
    return middleware;
  }

  /**
   * Listens, and resolves once it does. Rejects when the address is taken.
   *
   * @param address - Goes before `config` and the environment. Port 0 takes any free one.
   */
  async run(
    address: { port?: number | undefined; host?: string | undefined } = {},
  ): Promise<AgentRuntimeServer> {
    if (this.#server) throw new Error('The app runs already; close() it first.');
    const { port, host } = resolveConfig({ port: this.#config.port, host: this.#config.host, ...address });
    this.#server = listen((incoming) => this.#answer(incoming), { port, host });
    const server = await this.#server;
    return { port: server.port, host: server.host, close: () => this.close() };
  }

  /** Answers one request, with no server: the door of Workers, Deno, Bun and tests. Needs no `this`. */
  readonly fetch = async (request: Request): Promise<Response> => {
    const incoming = new WebIncoming(request);
    return toResponse(await this.#answer(incoming), incoming);
  };

  /** Lets running invocations finish (`shutdownGraceMs`), aborts what still runs, and stops listening. */
  async close(): Promise<void> {
    await this.#invocations.drain();
    await (await this.#server)?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #answer(incoming: Incoming): Promise<Reply> {
    return this.#routes.answer(new Call(incoming), (call) =>
      this.#middlewares.length === 0 ? this.#routes.route(call) : this.#throughMiddleware(call),
    );
  }

  async #throughMiddleware(call: Call): Promise<Reply> {
    const response = await compose(this.#middlewares, call.incoming.toRequest(), async (request) => {
      const incoming = new WebIncoming(request);
      return toResponse(await this.#routes.route(new Call(incoming, call)), incoming);
    });
    return { kind: 'passed', response, headers: {} };
  }
}
