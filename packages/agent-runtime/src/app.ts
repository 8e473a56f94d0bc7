import type { PingStatus } from '@sandpiper/protocol';
import { type RuntimeConfig, resolveConfig } from './config.js';
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
import { Ledger } from './invocation/ledger/ledger.js';
import type { Services } from './invocation/services.js';
import { jsonLogger, type Logger } from './log/logger.js';
import { type AgentRuntimeServer, listen } from './node/listen.js';
import { Health, type PingHandler } from './ping/health.js';
import { type TaskInfo, Tasks } from './work/tasks.js';
import { Work } from './work/work.js';

/** How an {@link AgentRuntimeApp} is made. */
export interface AgentRuntimeAppOptions {
  config?: RuntimeConfig | undefined;
  /** The same as `config.debug`. */
  debug?: boolean | undefined;
  /** Where log lines go; a pino logger will do. Default: JSON lines on the standard streams. */
  logger?: Logger | undefined;
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
  readonly #health = new Health();
  readonly #services: Services;
  readonly #invocations: Invocations;
  readonly #routes: Routes;
  readonly #middlewares: Middleware[] = [];
  #server: Promise<AgentRuntimeServer> | undefined;

  /** Registers the handler of `POST /invocations`: a function, a function with an `input` schema, or a method, as a decorator. */
  readonly entrypoint: RegisterEntrypoint;

  /** @throws ValidationError when the configuration, or the environment, is wrong; it names the option and the variable. */
  constructor(options: AgentRuntimeAppOptions = {}) {
    this.#services = createServices(options);
    this.#services.work.onBusy = (busy) => this.#health.setBusy(busy);
    this.#invocations = new Invocations(this.#services);
    this.#routes = new Routes(this.#services, this.#invocations, this.#health);
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

  /** Overrides every other judgement of the agent's health, until it is called with nothing. */
  forceStatus(status?: PingStatus): void {
    this.#health.force(status);
  }

  /**
   * Runs work that outlives the answer: the agent is busy and shutdown waits while it runs, and what it throws is
   * logged. Its signal aborts when shutdown can wait no longer.
   *
   * @returns What the task returns.
   * @example
   * ```ts
   * void app.task('index the upload', async ({ signal }) => index(file, signal));
   * ```
   */
  task<T>(name: string, task: (options: { signal: AbortSignal }) => T | Promise<T>): Promise<T> {
    return this.#services.tasks.run(name, task);
  }

  /** The background tasks that run. */
  get tasks(): TaskInfo[] {
    return this.#services.tasks.list();
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
    const { config } = this.#services;
    const { port, host } = resolveConfig({ port: config.port, host: config.host, ...address });
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
    await this.#services.work.drain(this.#services.config.shutdownGraceMs);
    await (await this.#server)?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #answer(incoming: Incoming): Reply | Promise<Reply> {
    return this.#routes.answer(new Call(incoming), this.#respond);
  }

  readonly #respond = (call: Call): Reply | Promise<Reply> =>
    this.#middlewares.length === 0 ? this.#routes.route(call) : this.#throughMiddleware(call);

  async #throughMiddleware(call: Call): Promise<Reply> {
    const response = await compose(this.#middlewares, call.incoming.toRequest(), async (request) => {
      const incoming = new WebIncoming(request);
      return toResponse(await this.#routes.route(new Call(incoming, call)), incoming);
    });
    return { kind: 'passed', response, headers: [] };
  }
}

function createServices(options: AgentRuntimeAppOptions): Services {
  const config = resolveConfig({ debug: options.debug, ...options.config });
  const log = options.logger ?? jsonLogger({ debug: config.debug });
  const work = new Work();
  return {
    config,
    log,
    work,
    ledger: new Ledger(config.retention),
    tasks: new Tasks(work, log),
    instance: crypto.randomUUID(),
  };
}
