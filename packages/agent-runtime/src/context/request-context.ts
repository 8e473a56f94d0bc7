import type { Logger } from '@sandpiper/protocol';
import { headers as headerNames } from '@sandpiper/protocol';
import type { Cancellation } from '../cancellation/cancellation.js';
import type { ResolvedConfig } from '../config.js';
import { environment } from '../environment.js';
import type { Call } from '../http/call.js';
import { withFields } from '../log/logger.js';
import type { Tasks } from '../work/tasks.js';
import { toWireUsage, type Usage, type WireUsage } from './usage.js';

/** Headers that are credentials of the platform, not words of the caller (docs/wire-protocol.md, "Requests"). */
const withheld: readonly string[] = [
  'cookie',
  headerNames.gatewayToken,
  headerNames.e2bTrafficAccessToken,
  headerNames.workloadAccessToken,
];

/** What a context needs of the app it belongs to. */
export interface ContextServices {
  readonly config: Pick<ResolvedConfig, 'timeoutMs' | 'auth'>;
  readonly log: Logger;
  readonly tasks: Tasks;
}

/** Keeps a request going on platforms that end it with its answer; for the runtime, not for handlers. */
export let keepAlive: (context: RequestContext, until: Promise<unknown>) => void;

/** What a handler said that it used, for its response; undefined when it said nothing. */
export let usageOf: (context: RequestContext) => WireUsage | undefined;

/** What a handler knows of its request. */
export class RequestContext {
  /** Names this request; echoed to the caller as `X-Request-Id`. */
  readonly requestId: string;
  /** Names the invocation, whatever number of requests it takes to see it through. */
  readonly invocationId: string;
  readonly #call: Call;
  readonly #body: unknown;
  readonly #runtime: ContextServices;
  readonly #cancellation: Cancellation;
  #log: Logger | undefined;
  #usage: WireUsage | undefined;
  #headers: Readonly<Record<string, string>> | undefined;

  static {
    keepAlive = (context, until) => context.#call.keepAlive?.(until);
    usageOf = (context) => context.#usage;
  }

  /** @internal */
  constructor(call: Call, body: unknown, cancellation: Cancellation, runtime: ContextServices) {
    this.requestId = call.requestId;
    this.invocationId = call.invocationId;
    this.#call = call;
    this.#body = body;
    this.#runtime = runtime;
    this.#cancellation = cancellation;
  }

  // What follows is looked up when it is asked for: most handlers want little of it.

  /** The sandbox this agent runs in. */
  get sandboxId(): string | undefined {
    return findSandboxId(this.#call, this.#body);
  }

  /** When the invocation is ended with a `TimeoutError`; undefined when it may take for ever. */
  get deadline(): Date | undefined {
    const { timeoutMs } = this.#runtime.config;
    if (timeoutMs === 0) return undefined;
    // By the clock of today: it may have been set, or the machine have slept, since the process began.
    const leftMs = this.#call.startedAt + timeoutMs - performance.now();
    return new Date(Date.now() + leftMs);
  }

  /** The same as {@link RequestContext.sandboxId}. */
  get sessionId(): string | undefined {
    return this.sandboxId;
  }

  /** The caller's headers, names in lower case, without the credentials that the platform adds. */
  get headers(): Readonly<Record<string, string>> {
    if (!this.#headers) {
      const entries = Object.entries(this.#call.incoming.headers());
      const isSecret = (name: string): boolean =>
        withheld.includes(name) || (name === 'authorization' && this.#isCredential());
      this.#headers = Object.fromEntries(entries.filter(([name]) => !isSecret(name)));
    }
    return this.#headers;
  }

  /** Whether `authorization` was for the runtime; a caller's own goes on to the handler. */
  #isCredential(): boolean {
    const { auth } = this.#runtime.config;
    return (
      auth !== undefined &&
      ('bearerToken' in auth || this.#call.incoming.header(headerNames.gatewayToken) === undefined)
    );
  }

  /** Aborts when nobody waits for the response any more: the caller left, cancelled, timed out, shut down. */
  get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  /** Logs with the ids of this request. */
  get log(): Logger {
    this.#log ??= withFields(this.#runtime.log, {
      request_id: this.requestId,
      invocation_id: this.invocationId,
      sandbox_id: this.sandboxId,
    });
    return this.#log;
  }

  /**
   * Keeps the agent busy, and its shutdown waiting, until work that outlives the response is done. What it rejects
   * with is logged.
   */
  waitUntil(promise: Promise<unknown>): void {
    const settled = this.#runtime.tasks.run('waitUntil', () => promise, this.log).catch(() => {});
    keepAlive(this, settled);
  }

  /**
   * Says what the invocation used; a later call replaces what it headerNames. The caller reads it beside the result: in the
   * envelope, in the header `X-Agent-Usage` of a bare value or a `Response`, or in the last frame of a resumable stream.
   *
   * @throws TypeError for other names, and for what is no number from 0 on.
   * @example
   * ```ts
   * context.usage({ tokensUsed: 1200, cost: 0.004 });
   * ```
   */
  usage(usage: Usage): void {
    this.#usage = { ...this.#usage, ...toWireUsage(usage) };
  }

  /** W3C trace context of the caller. */
  get traceparent(): string | undefined {
    return this.#call.incoming.header('traceparent');
  }

  /** W3C baggage of the caller. */
  get baggage(): string | undefined {
    return this.#call.incoming.header('baggage');
  }

  /** AgentCore: a token with which the agent calls others on its own behalf. */
  get workloadAccessToken(): string | undefined {
    return this.#call.incoming.header(headerNames.workloadAccessToken);
  }

  /** AgentCore: where a user is sent back to after an OAuth 2 consent. */
  get oauth2CallbackUrl(): string | undefined {
    return this.#call.incoming.header(headerNames.oauth2CallbackUrl);
  }
}

/** Looks in the places that docs/wire-protocol.md lists, in its order ("Requests"). */
function findSandboxId({ incoming }: Call, body: unknown): string | undefined {
  return (
    incoming.header(headerNames.sandboxId) ||
    incoming.header(headerNames.agentCoreSessionId) ||
    sandboxIdIn(body) ||
    environment().E2B_SANDBOX_ID
  );
}

function sandboxIdIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'sandbox_id')) return undefined;
  const id: unknown = Reflect.get(body, 'sandbox_id');
  return typeof id === 'string' ? id : undefined;
}
