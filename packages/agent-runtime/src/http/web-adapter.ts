import { invalidEncoding, tooLarge } from '../errors/body-errors.js';
import type { Incoming } from './incoming.js';
import type { Reply } from './reply.js';
import { fromResponse, toWebHeaders } from './response-headers.js';
import type { Sink } from './sink.js';

/** A web `Request` as the core sees it. */
export class WebIncoming implements Incoming {
  readonly method: string;
  readonly path: string;
  readonly #request: Request;
  readonly #onGone: (() => void)[] = [];
  #gone = false;

  constructor(request: Request) {
    this.method = request.method;
    this.path = new URL(request.url).pathname;
    this.#request = request;
    if (request.signal.aborted) this.gone();
    else request.signal.addEventListener('abort', () => this.gone(), { once: true });
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined;
  }

  headers(): Record<string, string> {
    return Object.fromEntries(this.#request.headers);
  }

  async readText(maxBytes: number): Promise<string> {
    if (Number(this.header('content-length')) > maxBytes) throw tooLarge(maxBytes);
    const reader = this.#request.body?.getReader();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const step = await reader?.read();
      if (!step || step.done) return decode(join(chunks, size));
      size += step.value.length;
      if (size > maxBytes) {
        await reader?.cancel();
        throw tooLarge(maxBytes);
      }
      chunks.push(step.value);
    }
  }

  toRequest(): Request {
    return this.#request;
  }

  onGone(callback: () => void): void {
    if (this.#gone) callback();
    else this.#onGone.push(callback);
  }

  /** The caller has left: its signal aborted, or it cancelled the answer's stream. */
  gone(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const callback of this.#onGone) callback();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalidEncoding();
  }
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  if (chunks.length === 1 && chunks[0]) return chunks[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Statuses whose answers have no body, not even an empty one (Fetch standard, "null body status"). */
const bodiless: readonly number[] = [101, 103, 204, 205, 304];

/** Makes a reply a web `Response`. @param bufferBytes - How many bytes may wait for a slow reader of a stream. */
export function toResponse(reply: Reply, incoming: WebIncoming, bufferBytes: number): Response {
  const headers = toWebHeaders(
    reply.kind === 'passed' ? [...reply.headers, ...fromResponse(reply.response)] : reply.headers,
  );
  switch (reply.kind) {
    case 'body': {
      const body = incoming.method === 'HEAD' || bodiless.includes(reply.status) ? null : reply.body;
      return new Response(body, { status: reply.status, headers });
    }
    case 'stream': {
      if (incoming.method === 'HEAD') return new Response(null, { status: reply.status, headers });
      const sink = new WebSink(bufferBytes, () => incoming.gone());
      reply.open(sink);
      return new Response(sink.readable, { status: reply.status, headers });
    }
    case 'passed': {
      const { response } = reply;
      return new Response(response.body, { status: response.status, headers });
    }
  }
}

class WebSink implements Sink {
  onDrain: (() => void) | undefined;
  readonly readable: ReadableStream<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #bufferBytes: number;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #onRead: (() => void)[] | undefined = [];

  constructor(bufferBytes: number, onCancel: () => void) {
    this.#bufferBytes = bufferBytes;
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          const callbacks = this.#onRead ?? [];
          this.#onRead = undefined;
          for (const callback of callbacks) callback();
          this.onDrain?.();
        },
        cancel: () => {
          this.#controller = undefined;
          onCancel();
        },
      },
      // With a mark of 0 it is pulled by a reader only, who has read all that was written.
      { highWaterMark: 0, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  whenRead(callback: () => void): void {
    if (this.#onRead) this.#onRead.push(callback);
    else callback();
  }

  write(piece: string | Uint8Array): boolean {
    this.#controller?.enqueue(typeof piece === 'string' ? this.#encoder.encode(piece) : piece);
    return !this.isBehind;
  }

  get isBehind(): boolean {
    return -(this.#controller?.desiredSize ?? 0) >= this.#bufferBytes;
  }

  end(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  cut(): void {
    this.#controller?.error(new TypeError('The stream was cut.'));
    this.#controller = undefined;
  }
}
