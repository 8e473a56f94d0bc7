import { headers as names, resumableStream } from '@sandpiper/protocol';
import { checkOptions } from '../check-options.js';
import { TimeoutError } from '../errors/timeout-error.js';
import { allowManyListeners } from '../many-listeners.js';
import type { TransportResponse } from '../transport/transport.js';
import type { AgentLease, AgentTarget, LeaseAgent } from './agent-lease.js';
import { AttemptFailure } from './attempt-failure.js';
import { type CallOptions, type CallSettings, settle } from './call-options.js';
import { Cancellation } from './cancellation.js';
import { encodeInput, type InvocationInput } from './request.js';
import { Retries } from './retries.js';
import { fromStatus } from './status-failure.js';
import { fromTransport } from './transport-failure.js';

/** Why a call that nobody listens to any more is given up. */
const over = Symbol('over');

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
  readonly #body: string;
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
  #sent = false;
  /** The process that the invocation was given to, where it may have run; other calls may find another one meanwhile. */
  #instance: string | undefined;
  #over = false;

  /** @throws ValidationError when the input is no JSON object, or an option is not valid. */
  constructor(
    leaseAgent: LeaseAgent,
    input: InvocationInput,
    settings: CallSettings,
    options: CallOptions,
    accept: string,
  ) {
    checkOptions('call', options);
    this.#body = encodeInput(input);
    this.#leaseAgent = leaseAgent;
    this.#extraHeaders = options.headers ?? {};
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
   * Sends the invocation once, or asks for the rest of it.
   *
   * @param lastEventId - The last event seen, 0 for none, when an earlier attempt's answer had begun.
   * @throws AttemptFailure, or what the call was aborted with.
   */
  async send(lastEventId?: number): Promise<TransportResponse> {
    const target = await this.#lend();
    const { endpoint, transport } = target;
    const headers: Record<string, string> = { ...endpoint.headers, ...this.#extraHeaders };
    headers['content-type'] = 'application/json';
    headers.accept = this.#accept;
    headers[names.requestId] = this.requestId;
    headers[names.idempotencyKey] = this.invocationId;
    // On every call: an agent may stream though it was not asked to, and then must not end unseen.
    headers[names.streamProtocol] = resumableStream;
    if (!this.retries.mayHaveRun) this.#instance = target.runtimeInstance;
    if (this.#instance !== undefined) headers[names.ifRuntimeInstance] = this.#instance;
    if (lastEventId !== undefined) headers[names.lastEventId] = String(lastEventId);
    const sentTo = this.#instance;
    this.#cancellation.throwIfAborted();
    this.#sent = true;
    let response: TransportResponse;
    try {
      response = await transport.request({
        method: 'POST',
        origin: endpoint.origin,
        path: `${endpoint.basePath}/invocations`,
        headers,
        body: this.#body,
        signal: this.#cancellation,
        firstByteTimeoutMs: this.settings.firstByteTimeoutMs,
      });
    } catch (error) {
      throw fromTransport(error, this.facts);
    }
    const answeredBy = response.header(names.runtimeInstance);
    this.#instance = answeredBy ?? this.#instance;
    target.runtimeInstance = answeredBy ?? target.runtimeInstance;
    if (response.status >= 300) throw await fromStatus(response, this.facts, sentTo);
    return response;
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
  }

  /**
   * Ends the call: gives back what it held, and tells the agent if the answer is not wanted any more.
   *
   * @param abandoned - Whether the agent may be at work on it still.
   */
  async end(abandoned: boolean): Promise<void> {
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
    if (abandoned && this.#sent && this.#target) void this.#cancelAtAgent(this.#target);
    const lease = await this.#lease?.catch(() => undefined);
    await lease?.release();
  }

  #obey(signal: AbortSignal): void {
    if (signal.aborted) {
      this.#onAbort();
      return;
    }
    allowManyListeners(signal);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async #lend(): Promise<AgentTarget> {
    this.#lease ??= this.#leaseAgent(this.#cancellation);
    this.#target = (await this.#lease).target;
    return this.#target;
  }

  /** A runtime that honours keys would keep the invocation for its caller to come back to. */
  async #cancelAtAgent(target: AgentTarget): Promise<void> {
    if (target.runtimeInstance === undefined) return;
    try {
      const response = await target.transport.request({
        method: 'DELETE',
        origin: target.endpoint.origin,
        path: `${target.endpoint.basePath}/invocations/${encodeURIComponent(this.invocationId)}`,
        headers: { ...target.endpoint.headers, [names.requestId]: this.requestId },
        signal: AbortSignal.timeout(5_000),
        firstByteTimeoutMs: 0,
      });
      response.body.cancel();
    } catch {
      // The agent gives it up by itself when nobody comes back.
    }
  }

  #tooLate(): TimeoutError {
    return new TimeoutError(
      'call_timeout',
      `The call took longer than ${this.settings.timeoutMs} ms. The limit is \`timeoutMs\`.`,
      { ...this.facts, outcome: this.#sent ? 'unknown' : 'not_run' },
    );
  }
}
