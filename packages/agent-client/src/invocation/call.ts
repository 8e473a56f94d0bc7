import { headers as headerNames, refusals, resumableStream } from '@sandpiper/protocol';
import { checkOptions } from '../check-options.js';
import { InvocationError } from '../errors/invocation-error.js';
import { TimeoutError } from '../errors/timeout-error.js';
import { raiseListenerLimit } from '../raise-listener-limit.js';
import type { TransportRequest, TransportResponse } from '../transport/transport.js';
import type { AgentLease, AgentTarget, LeaseAgent } from './agent-lease.js';
import { AttemptFailure } from './attempt-failure.js';
import { type CallOptions, type CallSettings, settle } from './call-options.js';
import { cancelInvocation } from './cancel-invocation.js';
import { Cancellation } from './cancellation.js';
import { encodeInput, type InvocationInput } from './request.js';
import { type Sender, senderOf } from './response-sender.js';
import { Retries } from './retries.js';
import { fromStatus } from './status-failure.js';
import { strayFailure } from './stray-failure.js';
import { traceHeaders } from './trace-headers.js';
import { fromTransport } from './transport-failure.js';

/** In the place of an input: the invocation of the key exists, and is joined as it is. Nothing is run for it. */
export const joined: unique symbol = Symbol('joined');

/** Why a call that nobody listens to any more is given up. */
const over = Symbol('over');

/** Statuses by which a gateway says that it knows no such path, or lets nobody ask for it. */
const notRouted = new Set([401, 403, 404, 405, 501]);

/**
 * One invocation seen through from the caller's side: what is sent, as often as it must be and may be, under one
 * deadline.
 */
export class Call {
  readonly invocationId: string;
  readonly requestId: string;
  readonly settings: CallSettings;
  readonly retries: Retries;
  readonly startedAt: number = performance.now();
  /** What is sent; undefined where an invocation is joined that somebody else sent. */
  readonly #body: string | undefined;
  readonly #extraHeaders: Record<string, string>;
  readonly #accept: string;
  readonly #leaseAgent: LeaseAgent;
  /** Aborts when the caller's signal does, when time is up, and when the call is given up. */
  readonly #cancellation = new Cancellation();
  readonly #callerSignal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lease: Promise<AgentLease> | undefined;
  #target: AgentTarget | undefined;
  /** How many requests have gone out under the key. */
  #requests = 0;
  /** The process that the invocation was given to, where it may have run; other calls may find another one meanwhile. */
  #instance: string | undefined;
  /** Whether the agent may be at work on it already: then its events are asked for first. */
  #follows = false;
  #over = false;

  /** @throws ValidationError when the input is no JSON object, or an option is not valid. */
  constructor(
    leaseAgent: LeaseAgent,
    input: InvocationInput | typeof joined,
    settings: CallSettings,
    options: CallOptions,
    accept: string,
  ) {
    checkOptions('call', options);
    this.#body = input === joined ? undefined : encodeInput(input);
    this.#follows = input === joined;
    this.#leaseAgent = leaseAgent;
    this.#extraHeaders = { ...traceHeaders(), ...options.headers };
    this.#accept = accept;
    this.invocationId = options.idempotencyKey ?? crypto.randomUUID();
    this.requestId = options.requestId ?? crypto.randomUUID();
    this.settings = settle(settings, options);
    this.retries = new Retries(this.settings, this.facts);
    this.#callerSignal = options.signal;
    this.#onAbort = () => this.#cancellation.abort(options.signal?.reason);
    if (options.signal) this.#obey(options.signal);
    const { timeoutMs } = this.settings;
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#cancellation.abort(this.#tooLate()), timeoutMs);
  }

  /** What every error of this call says about itself. */
  get facts(): { requestId: string; invocationId: string; sandboxId?: string } {
    const { requestId, invocationId } = this;
    return { requestId, invocationId, ...(this.#target && { sandboxId: this.#target.sandboxId }) };
  }

  /**
   * Sends the invocation, or asks for the rest of it.
   *
   * @param lastEventId - The last event seen, 0 for none, when an earlier attempt's response had begun.
   * @throws AttemptFailure, or what the call was aborted with.
   */
  async send(lastEventId?: number): Promise<TransportResponse> {
    const target = await this.#lend();
    if (!this.retries.mayHaveRun) this.#instance = target.runtimeInstance;
    if (this.#follows) {
      // Unlike a response to POST, an event stream has heartbeats, which gateways wait longer for.
      const path = `/invocations/${encodeURIComponent(this.invocationId)}/events`;
      const events = await this.#exchange(target, { method: 'GET', path }, lastEventId);
      if (events) return events;
    }
    if (this.#body === undefined) throw this.#notThere();
    const posted = { method: 'POST', path: '/invocations', body: this.#body } as const;
    const response = await this.#exchange(target, posted, lastEventId);
    if (response) return response;
    throw new Error('unreachable');
  }

  /**
   * Waits until the call may be sent again.
   *
   * @throws what the user is to see, when it may not.
   */
  async retry(error: unknown): Promise<void> {
    const failure = fromTransport(error, this.facts);
    if (!(failure instanceof AttemptFailure) || !this.#target) throw failure;
    await this.retries.after(failure, this.#target, this.#instance !== undefined, this.#cancellation.signal);
    // Not every gateway lets the events through.
    const barred = this.#follows && failure.stray && notRouted.has(failure.error.status ?? 0);
    this.#follows =
      this.#body === undefined || (this.retries.mayHaveRun && this.#instance !== undefined && !barred);
  }

  /**
   * Ends the call: gives back what it held, and tells the agent if the caller does not want the response any more.
   *
   * @param abandoned - Whether the agent may be at work on it still.
   * @param asked - Whether the caller left. An agent is not cancelled because a connection to it is bad.
   */
  async end(abandoned: boolean, asked: boolean): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#callerSignal?.removeEventListener('abort', this.#onAbort);
    const { settings, startedAt, facts } = this;
    const durationMs = Math.round(performance.now() - startedAt);
    settings.logger?.debug(
      { ...facts, durationMs, attempts: this.retries.attempts, abandoned },
      'call ended',
    );
    if (abandoned) this.#cancellation.abort(over);
    const cancels = abandoned && (asked || this.#callerSignal?.aborted === true);
    // Nobody waits for it: the caller has left.
    if (cancels && this.#requests > 0 && this.#target)
      cancelInvocation(this.#target, this.facts).catch(() => {});
    const lease = await this.#lease?.catch(() => undefined);
    await lease?.release();
  }

  #obey(signal: AbortSignal): void {
    if (signal.aborted) {
      this.#onAbort();
      return;
    }
    raiseListenerLimit(signal);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async #lend(): Promise<AgentTarget> {
    this.#lease ??= this.#leaseAgent(this.#cancellation);
    this.#target = (await this.#lease).target;
    return this.#target;
  }

  /** @returns undefined when the agent knows nothing of an invocation whose events were asked for. */
  async #exchange(
    target: AgentTarget,
    request: Pick<TransportRequest, 'method' | 'path' | 'body'>,
    lastEventId: number | undefined,
  ): Promise<TransportResponse | undefined> {
    const { endpoint, transport } = target;
    this.#cancellation.throwIfAborted();
    this.#requests += 1;
    const sentTo = this.#instance;
    let response: TransportResponse;
    try {
      response = await transport.request({
        ...request,
        origin: endpoint.origin,
        path: endpoint.basePath + request.path,
        headers: this.#headers(target, request.method, lastEventId),
        signal: this.#cancellation,
        firstByteTimeoutMs: this.settings.firstByteTimeoutMs,
      });
    } catch (error) {
      throw fromTransport(error, this.facts);
    }
    const { invocationId } = this;
    const sender = senderOf(response, { invocationId, knownAgent: sentTo !== undefined });
    if (sender === 'runtime') this.#meet(target, response);
    const { facts } = this;
    if (response.status >= 300) {
      const failure = await fromStatus(response, { facts, sender, sentTo });
      if (request.method === 'GET' && saysUnknown(failure, sender)) return undefined;
      throw failure;
    }
    return this.#believe(response, sender, sentTo);
  }

  #headers(target: AgentTarget, method: string, lastEventId: number | undefined): Record<string, string> {
    const headers: Record<string, string> = { ...target.endpoint.headers, ...this.#extraHeaders };
    if (method === 'POST') headers['content-type'] = 'application/json';
    headers.accept = method === 'POST' ? this.#accept : 'text/event-stream';
    headers[headerNames.requestId] = this.requestId;
    headers[headerNames.idempotencyKey] = this.invocationId;
    // A runtime that has forgotten the key must not take this for its first request.
    if (this.#requests > 1) headers[headerNames.invocationAttempt] = String(this.#requests);
    // On every call: an agent may stream though it was not asked to, and then must not end unseen.
    headers[headerNames.streamProtocol] = resumableStream;
    if (this.#instance !== undefined) headers[headerNames.ifRuntimeInstance] = this.#instance;
    if (lastEventId !== undefined) headers[headerNames.lastEventId] = String(lastEventId);
    return headers;
  }

  /** Takes note of which process of the agent answered. */
  #meet(target: AgentTarget, response: TransportResponse): void {
    const instance = response.header(headerNames.runtimeInstance);
    target.runtimeInstance = instance;
    // Once it may have run, it belongs to the process that it was given to.
    if (!this.retries.mayHaveRun || this.#instance === undefined) this.#instance = instance;
  }

  /** @throws AttemptFailure for a success that is not that of the process which was asked. */
  #believe(response: TransportResponse, sender: Sender, sentTo: string | undefined): TransportResponse {
    const instance = response.header(headerNames.runtimeInstance);
    if (sender !== 'stray' && (sentTo === undefined || instance === sentTo)) return response;
    response.body.cancel();
    if (sender === 'stray') throw strayFailure(response, '', this.facts);
    const message = 'Another process of the agent answered than the one that was asked.';
    const error = new InvocationError(message, { ...this.facts, outcome: 'unknown' });
    throw new AttemptFailure(error, 'never');
  }

  #notThere(): AttemptFailure {
    const message = `The agent knows no invocation ${this.invocationId}, or does not keep its events any more.`;
    const error = new InvocationError(message, {
      ...this.facts,
      outcome: 'unknown',
      errorType: refusals.notFound,
    });
    return new AttemptFailure(error, 'never');
  }

  #tooLate(): TimeoutError {
    return new TimeoutError(
      'call_timeout',
      `The call took longer than ${this.settings.timeoutMs} ms. The limit is \`timeoutMs\`.`,
      { ...this.facts, outcome: this.#requests > 0 ? 'unknown' : 'not_run' },
    );
  }
}

/** Whether a runtime says that it knows no such invocation, or has no events of it: then the response is asked for. */
function saysUnknown({ error }: AttemptFailure, sender: Sender): boolean {
  if (sender !== 'runtime' || !InvocationError.isInstance(error)) return false;
  return error.errorType === refusals.notFound || error.errorType === refusals.invocationExpired;
}
