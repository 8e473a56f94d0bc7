import type { Agent, Dispatcher } from 'undici';
import { BodyQueue } from './body-queue.js';
import { codingsOf, DecodedBody } from './decoded-body.js';
import {
  type Transport,
  TransportFailure,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
  uncompressed,
} from './transport.js';

/** Pooled HTTP/1.1 connections; knows of every request whether it had begun to go out when it failed. */
export class UndiciTransport implements Transport {
  readonly #agent: Agent;

  constructor(agentClass: typeof Agent, options: TransportOptions) {
    this.#agent = new agentClass({
      connections: options.maxConnections,
      keepAliveTimeout: options.keepAliveTimeoutMs,
      keepAliveMaxTimeout: options.keepAliveTimeoutMs,
      connect: { timeout: options.connectTimeoutMs },
      // Ours are per call and speak of what they mean; undici's 300 s would cut a quiet agent.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  request(request: TransportRequest): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(request, resolve, reject);
      if (!exchange.start()) return;
      const { method, origin, path, body } = request;
      const headers = { ...uncompressed, ...request.headers };
      this.#agent.dispatch({ method, origin, path, headers, body: body ?? null }, exchange);
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

class Exchange implements Dispatcher.DispatchHandler {
  #settled = false;
  readonly #request: TransportRequest;
  readonly #resolve: (response: TransportResponse) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #body: BodyQueue | undefined;
  #firstByteTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    request: TransportRequest,
    resolve: (response: TransportResponse) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onAbort = () => this.#stop(request.signal.reason);
  }

  /** @returns whether it may be sent. */
  start(): boolean {
    const request = this.#request;
    if (request.signal.aborted) {
      this.#stop(request.signal.reason);
      return false;
    }
    request.signal.addEventListener('abort', this.#onAbort, { once: true });
    const ms = request.firstByteTimeoutMs;
    if (ms > 0) {
      this.#firstByteTimer = setTimeout(() => {
        const sent = this.#controller !== undefined;
        this.#stop(new TransportFailure('first_byte_timeout', sent, `No answer began within ${ms} ms.`));
      }, ms);
    }
    return true;
  }

  // Called just before the first byte goes out, and again should undici move the request to another connection.
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) controller.abort(new Error('aborted'));
    else this.#controller = controller;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    clearTimeout(this.#firstByteTimer);
    this.#body = new BodyQueue(controller, () => this.#settle());
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const codings = codingsOf(header('content-encoding'));
    const body = codings.length > 0 ? new DecodedBody(this.#body, codings) : this.#body;
    this.#resolve({ status, header, body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#body?.finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#stop(toFailure(error, this.#controller !== undefined));
  }

  /** Ends the exchange wherever it stands; a second reason changes nothing. */
  #stop(reason: unknown): void {
    this.#body?.fail(reason);
    if (this.#settled) return;
    this.#settle();
    this.#reject(reason);
    this.#controller?.abort(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#firstByteTimer);
    this.#request.signal.removeEventListener('abort', this.#onAbort);
  }
}

function toFailure(error: Error, sent: boolean): TransportFailure {
  if (error instanceof TransportFailure) return error;
  const timedOut = 'code' in error && error.code === 'UND_ERR_CONNECT_TIMEOUT';
  return new TransportFailure(timedOut ? 'connect_timeout' : 'network', sent, error.message, error);
}
