import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { responseHeaders } from './headers.js';

/** One request on its way into a sandbox. */
export interface Forwarding {
  /** As the upstream knows the port. */
  origin: string;
  request: IncomingMessage;
  response: ServerResponse;
  headers: string[];
}

/**
 * Sends a request on and its answer back, bodies streaming both ways.
 *
 * @throws the connection's error when nothing has been answered yet.
 */
export function forward(
  upstream: Dispatcher,
  { origin, request, response, headers }: Forwarding,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = takeBody(request);
    const handler = new AnswerHandler(response, resolve, reject);
    upstream.dispatch(
      {
        origin,
        path: request.url ?? '/',
        method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
        headers,
        body: body ?? null,
      },
      handler,
    );
  });
}

/** The body: whole where it has come already, which spares a small request the machinery of streams. */
function takeBody(request: IncomingMessage): Buffer | Readable | undefined {
  const { headers } = request;
  if (headers['transfer-encoding'] === undefined && !Number(headers['content-length'])) return undefined;
  if (request.complete && request.readableLength <= request.readableHighWaterMark)
    return request.read() ?? undefined;
  // Between the two, since ending the body early must not end the caller's connection with it.
  const body = new PassThrough();
  request.pipe(body);
  request.once('error', (error) => body.destroy(error));
  body.once('close', () => {
    // The rest of a body that nobody wants is let go by, or the answer would not be read.
    request.unpipe(body);
    request.resume();
  });
  return body;
}

/** Writes an answer to the caller as it comes, no faster than the caller reads. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;

  constructor(response: ServerResponse, resolve: () => void, reject: (error: Error) => void) {
    this.#response = response;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const response = this.#response;
    if (response.destroyed) {
      controller.abort(new Error('The caller has gone.'));
      return;
    }
    response.once('close', () => {
      if (!response.writableFinished) controller.abort(new Error('The caller has gone.'));
    });
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusMessage?: string,
  ): void {
    // An interim answer, such as 103, is for whoever asked for it: this gateway.
    if (status < 200) return;
    const response = this.#response;
    response.writeHead(status, statusMessage, responseHeaders(rawHeadersOf(controller)));
    // What has come together goes out together; what has come alone does not wait.
    queueMicrotask(() => {
      if (!response.writableEnded && response.writableLength === 0) response.flushHeaders();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    this.#response.end();
    this.#resolve();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#response.headersSent) {
      this.#reject(error);
      return;
    }
    // An answer that was cut must not look whole.
    this.#response.destroy();
    this.#resolve();
  }
}

function rawHeadersOf(controller: Dispatcher.DispatchController): (string | Buffer)[] {
  const { rawHeaders } = controller;
  return Array.isArray(rawHeaders) ? rawHeaders : [];
}
