import { Cancellation } from '../cancellation/cancellation.js';
import type { ResolvedConfig } from '../config.js';
import { RequestContext } from '../context/request-context.js';
import type { Entrypoint } from '../entrypoint/handler.js';
import { checkInput } from '../entrypoint/input-schema.js';
import { RequestError } from '../errors/request-error.js';
import type { Call } from '../http/call.js';
import type { Reply } from '../http/reply.js';
import type { Health } from '../ping/health.js';
import { Invocation } from './invocation.js';
import { parseBody } from './parse-body.js';

/** Runs the entry point for each request, within the limits, and ends what runs when the server stops. */
export class Invocations {
  entrypoint: Entrypoint | undefined;
  readonly #config: ResolvedConfig;
  readonly #health: Health;
  readonly #running = new Set<Cancellation>();
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(config: ResolvedConfig, health: Health) {
    this.#config = config;
    this.#health = health;
  }

  async invoke(call: Call): Promise<Reply> {
    const { entrypoint } = this;
    if (!entrypoint) throw new RequestError(500, 'RuntimeError', 'No entrypoint registered');
    const body = parseBody(await call.incoming.readBody(this.#config.maxRequestSize));
    const input = entrypoint.input ? await checkInput(entrypoint.input, body) : body;
    this.#admit();
    const cancellation = new Cancellation();
    call.incoming.onGone(() => cancellation.cancel(callerGone()));
    const context = new RequestContext(call, body, cancellation, this.#config.timeoutMs);
    this.#began(cancellation);
    const invocation = new Invocation(call, context, cancellation, this.#config, () =>
      this.#ended(cancellation),
    );
    return invocation.run(() => entrypoint.handler(input as never, context));
  }

  /** Admits no more, waits for what runs, and after `shutdownGraceMs` aborts it. Resolves when nothing runs. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#running.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    const abort = setTimeout(() => {
      for (const cancellation of this.#running) cancellation.cancel(shutDown());
      // A handler that ignores its signal cannot hold the process for ever.
      setTimeout(() => this.#onIdle?.(), abortGraceMs);
    }, this.#config.shutdownGraceMs);
    await idle;
    clearTimeout(abort);
  }

  #admit(): void {
    if (this.#draining) throw unavailable('The agent is shutting down.');
    const { maxConcurrency } = this.#config;
    if (this.#running.size >= maxConcurrency) {
      throw unavailable(
        `The agent runs ${maxConcurrency} invocations already (RuntimeConfig.maxConcurrency).`,
      );
    }
  }

  #began(cancellation: Cancellation): void {
    this.#running.add(cancellation);
    this.#health.began();
  }

  #ended(cancellation: Cancellation): void {
    this.#running.delete(cancellation);
    this.#health.ended();
    if (this.#running.size === 0) this.#onIdle?.();
  }
}

/** How long an aborted handler has for its clean-up. */
const abortGraceMs = 1000;

function callerGone(): RequestError {
  return new RequestError(499, 'AbortError', 'The caller left before the answer was complete.');
}

function shutDown(): RequestError {
  return new RequestError(500, 'ShutdownError', 'The agent was shut down before the invocation ended.');
}

function unavailable(message: string): RequestError {
  return new RequestError(503, 'UnavailableError', message, {
    retryable: true,
    headers: { 'retry-after': '1' },
  });
}
