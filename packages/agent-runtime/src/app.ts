import type { Logger } from '@sandpiper/protocol';
import { AgentRuntimeError, bindPath, type PingStatus } from '@sandpiper/protocol';
import type { Hono } from 'hono';
import { createAuthenticator, type Guard } from './auth/authenticator.js';
import { Binder, type BindHook } from './binding/binder.js';
import { type RuntimeConfig, resolveConfig } from './config.js';
import { AgentRuntimeContext } from './context/agent-runtime-context.js';
import { keepAlive, type RequestContext } from './context/request-context.js';
import { entrypointRegistrar, type RegisterEntrypoint } from './entrypoint/register-entrypoint.js';
import { Call } from './http/call.js';
import { HonoLayer } from './http/hono-layer.js';
import { compose, type Middleware } from './http/middleware.js';
import type { Reply } from './http/reply.js';
import { ReplyFinisher } from './http/reply-finisher.js';
import { toResponse, WebIncoming } from './http/web-adapter.js';
import { Invocations } from './invocation/invocations.js';
import { createServices, type Services } from './invocation/services.js';
import { Lifespan, type LifespanHook } from './lifespan/lifespan.js';
import { jsonLogger } from './log/logger.js';
import { Health, type PingHandler } from './ping/health.js';
import type { Listener, Platform } from './platform.js';
import { type Register, registrar } from './registration/registrar.js';
import { Router } from './router/router.js';
import type { WebSocketHandler } from './websocket/agent-socket.js';
import { WebSockets } from './websocket/websockets.js';
import type { TaskInfo } from './work/tasks.js';

/** How an {@link AgentRuntimeApp} is made. */
export interface AgentRuntimeAppOptions {
  config?: RuntimeConfig | undefined;
  /** The same as `config.debug`. */
  debug?: boolean | undefined;
  /** Where log lines go; a pino logger will do. Default: JSON lines on the standard streams. */
  logger?: Logger | undefined;
}

/** A server that listens. */
export interface AgentRuntimeServer {
  /** The port it took, also when any was asked for. */
  readonly port: number;
  readonly host: string;
  /** The same as {@link PortableApp.close}. */
  close(): Promise<void>;
}

/** What an agent is on every platform; {@link Platform} is what some have more. */
export class PortableApp {
  /** Registers the handler of `POST /invocations`: a function, a function with an `input` schema, or a method, as a decorator. */
  readonly entrypoint: RegisterEntrypoint;
  readonly #platform: Platform | undefined;
  /** Read by Bun off `export default app`: an agent may think for longer than Bun's 10 s of silence. */
  readonly idleTimeout: number = 0;
  readonly #health = new Health();
  /** Registers a judge of the agent's health, in place of "busy while it works": a function, or a method, as a decorator. */
  readonly ping: Register<PingHandler> = registrar((judge) => {
    this.#health.handler = judge;
  });
  readonly #lifespan = new Lifespan();
  readonly #binder: Binder;
  readonly #middlewares: Middleware[] = [];
  /** Adds a middleware, a function or a decorated method, inside those added before. */
  readonly middleware: Register<Middleware> = registrar((middleware) => {
    this.#middlewares.push(middleware);
  });
  readonly #services: Services;
  readonly #authenticate: Guard | undefined;
  readonly #invocations: Invocations;
  readonly #webSockets: WebSockets;
  /** Registers the handler of `WS /ws`, a function or a decorated method. Only where {@link PortableApp.run} listens. */
  readonly websocket: Register<WebSocketHandler> = registrar((handler) => {
    this.#webSockets.handler = handler;
  });
  readonly #router: Router;
  readonly #finisher: ReplyFinisher;
  readonly #hono = new HonoLayer();
  #ready: Promise<void> | undefined;
  #isReady = false;
  #listener: Promise<Listener> | undefined;
  #forgetSignals: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  /** @throws ValidationError when the configuration, or the environment, is wrong; it names the option and the variable. */
  constructor(options?: AgentRuntimeAppOptions);
  /** @internal With what this platform has more than others. */
  constructor(options: AgentRuntimeAppOptions | undefined, platform: Platform);
  constructor(options: AgentRuntimeAppOptions = {}, platform?: Platform) {
    this.#platform = platform;
    const config = resolveConfig({ debug: options.debug, ...options.config });
    const services = createServices(config, options.logger ?? jsonLogger(config));
    services.work.onBusy = (busy) => this.#health.setBusy(busy);
    this.#services = services;
    this.#authenticate = createAuthenticator(config.auth);
    this.#binder = new Binder(config.maxRequestBytes);
    this.#invocations = new Invocations(services);
    this.#webSockets = new WebSockets(services);
    this.#finisher = new ReplyFinisher(services);
    this.#router = new Router(services, this.#invocations, this.#health, this.#binder);
    this.entrypoint = entrypointRegistrar((entrypoint) => {
      this.#invocations.entrypoint = entrypoint;
    });
  }

  /** The context of the request that the calling code is working on; undefined outside of one. */
  get context(): RequestContext | undefined {
    return AgentRuntimeContext.getCurrentContext();
  }

  /** Overrides every other judgement of the agent's health, until it is called with nothing. */
  forceStatus(status?: PingStatus): void {
    this.#health.force(status);
  }

  /**
   * Runs work that outlives the response: the agent is busy and shutdown waits while it runs, and what it throws is
   * logged. Its signal aborts when shutdown can wait no longer.
   *
   * @returns What the task returns.
   * @example
   * ```ts
   * void app.task('index the upload', async ({ signal }) => index(file, signal));
   * ```
   */
  task<T>(name: string, task: (options: { signal: AbortSignal }) => T | Promise<T>): Promise<T> {
    const result = this.#services.tasks.run(name, task);
    const { context } = this;
    if (context)
      keepAlive(
        context,
        result.catch(() => {}),
      );
    return result;
  }

  /** The background tasks that run. */
  get tasks(): TaskInfo[] {
    return this.#services.tasks.list();
  }

  /** Registers what is done before the first request. */
  onStart(hook: LifespanHook): void {
    this.#lifespan.onStart.push(hook);
  }

  /**
   * Registers what is done after the last request, at {@link AgentRuntimeApp.close} and when the process gets SIGTERM, as it
   * does when a sandbox of `@sandpiper/sandbox-host` ends; the last registered is done first.
   */
  onStop(hook: LifespanHook): void {
    this.#lifespan.onStop.push(hook);
  }

  /**
   * Registers what is done when an agent that waited in a pool is bound to its sandbox. An agent that was started with
   * `AGENT_RUNTIME_BIND_TOKEN` serves nothing but `/ping` until then; one that was not is never bound.
   *
   * @example
   * ```ts
   * app.onBind(({ env }) => model.connect(env.MODEL_API_KEY));
   * ```
   */
  onBind(hook: BindHook): void {
    this.#binder.hooks.push(hook);
  }

  /**
   * A Hono app in front of the agent's own routes, for Hono's middleware and for routes besides.
   *
   * @example
   * ```ts
   * app.hono.use(secureHeaders());
   * app.hono.get('/version', (c) => c.text('7'));
   * ```
   */
  get hono(): Hono {
    return this.#hono.app;
  }

  /**
   * Listens, and resolves once it does. Rejects when the address is taken or a start hook fails. SIGTERM and SIGINT
   * close the app and end the process; a second one ends it at once.
   *
   * @param address - A port, or a port and a host; takes precedence over `config` and the environment. Port 0 takes any free one.
   * @throws AgentRuntimeError when there is no handler to run: neither an entry point nor one of WebSockets.
   * @example
   * ```ts
   * const { port } = await app.run(8080);
   * ```
   */
  async run(
    address: number | { port?: number | undefined; host?: string | undefined } = {},
  ): Promise<AgentRuntimeServer> {
    const platform = this.#platform;
    if (!platform)
      throw new AgentRuntimeError('This platform opens no ports: use `export default app` instead of run().');
    if (this.#listener || this.#closed) throw new AgentRuntimeError('An app runs once; make another one.');
    if (!this.#invocations.entrypoint && !this.#webSockets.handler) throw nothingToRun();
    const { config } = this.#services;
    const given = typeof address === 'number' ? { port: address } : address;
    const { port, host } = resolveConfig({ port: config.port, host: config.host, ...given });
    await this.#start();
    this.#listener = platform.listen({
      port,
      host,
      webSockets: this.#webSockets,
      guard: this.#guard,
      maxMessageSize: config.maxRequestBytes,
      bufferBytes: config.streamBufferBytes,
      answer: (incoming) => this.#answer(new Call(incoming)),
    });
    const listener = await this.#listener;
    this.#forgetSignals = platform.exitOnSignals(() => this.close());
    return { port: listener.port, host: listener.host, close: () => this.close() };
  }

  /**
   * Answers one request, with no server: for Workers, Deno, Bun and tests. Needs no `this`. The further
   * arguments are those that Workers give; elsewhere there are none.
   */
  readonly fetch = async (
    request: Request,
    _env?: unknown,
    execution?: { waitUntil?(until: Promise<unknown>): void },
  ): Promise<Response> => {
    if (!this.#isReady) await this.#start();
    const incoming = new WebIncoming(request);
    const call = new Call(incoming);
    if (execution?.waitUntil) call.keepAlive = (until) => execution.waitUntil?.(until);
    return this.#toResponse(await this.#answer(call), incoming);
  };

  /**
   * Takes no new work, lets running invocations and tasks finish, aborts what still runs after `shutdownGraceMs`, runs
   * the stop hooks and stops listening. May be called again.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(): Promise<void> {
    this.#ready ??= this.#prepare();
    return this.#ready;
  }

  async #prepare(): Promise<void> {
    const { config, work, idempotencyStore } = this.#services;
    if (config.enableMetrics) {
      this.#services.metrics = await this.#platform?.createMetrics({
        active: () => work.size,
        idempotencyEntries: () => idempotencyStore.size,
        idempotencyBytes: () => idempotencyStore.bytes,
      });
    }
    await this.#lifespan.start();
    this.#isReady = true;
  }

  async #close(): Promise<void> {
    // An address that was taken has nothing to close.
    const listener = await this.#listener?.catch(() => undefined);
    const { work, config } = this.#services;
    await Promise.all([listener?.stopAccepting(), work.drain(config.shutdownGraceMs)]);
    await listener?.close();
    await this.#lifespan.stop();
    this.#forgetSignals?.();
  }

  // Only what has to wait is asynchronous: each promise costs as much as parsing the request.
  #answer(call: Call): Reply | Promise<Reply> {
    try {
      const reply = this.#admit(call);
      if (!(reply instanceof Promise)) return this.#finisher.finish(reply, call);
      return reply.then(
        (made) => this.#finisher.finish(made, call),
        (error: unknown) => this.#finisher.finishError(error, call),
      );
    } catch (error) {
      return this.#finisher.finishError(error, call);
    }
  }

  #admit(call: Call): Reply | Promise<Reply> {
    // Middleware is for requests of callers; to be bound is between the agent and its host.
    if (this.#binder.isPooled && call.incoming.path === bindPath) return this.#router.route(call);
    const passing = this.#guard(call.incoming);
    return passing ? passing.then(() => this.#respond(call)) : this.#respond(call);
  }

  readonly #guard: Guard = (incoming) => {
    // A browser's preflight carries no credentials, and platforms ping without any.
    if (incoming.path === '/ping' || incoming.method === 'OPTIONS') return undefined;
    this.#binder.check();
    return this.#authenticate?.(incoming);
  };

  #respond(call: Call): Reply | Promise<Reply> {
    // A `Request` cannot be a TRACE (Fetch standard, "forbidden method"); the router refuses it.
    const isPlain =
      (this.#middlewares.length === 0 && !this.#hono.isUsed) || call.incoming.method === 'TRACE';
    return isPlain ? this.#router.route(call) : this.#throughMiddleware(call);
  }

  async #throughMiddleware(call: Call): Promise<Reply> {
    const inner = (request: Request): Promise<Response> => this.#inner(call, request);
    const response = await compose(this.#middlewares, call.incoming.toRequest(), (request) =>
      this.#hono.isUsed ? this.#hono.run(request, inner) : inner(request),
    );
    if (response.status === 0)
      throw new TypeError('A middleware returned Response.error(), which no caller can be sent.');
    return { kind: 'passed', response, headers: [] };
  }

  #toResponse(reply: Reply, incoming: WebIncoming): Response {
    return toResponse(reply, incoming, this.#services.config.streamBufferBytes);
  }

  async #inner(outer: Call, request: Request): Promise<Response> {
    const incoming = new WebIncoming(request);
    const call = new Call(incoming, outer);
    try {
      return this.#toResponse(await this.#router.route(call), incoming);
    } finally {
      outer.failure = call.failure;
      outer.invocationId = call.invocationId;
    }
  }
}

function nothingToRun(): AgentRuntimeError {
  return new AgentRuntimeError(
    'No entrypoint is registered: call app.entrypoint(handler) before app.run(). A decorated method is registered when its class is instantiated.',
  );
}
