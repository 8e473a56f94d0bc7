import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { tooLarge } from '../errors/too-large.js';
import type { Incoming } from '../http/incoming.js';

/** A request on a Node socket as the core sees it. */
export class NodeIncoming implements Incoming {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get method(): string {
    return this.#request.method ?? 'GET';
  }

  get path(): string {
    const url = this.#request.url ?? '/';
    const end = url.indexOf('?');
    return end < 0 ? url : url.slice(0, end);
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'string' ? value : value?.join(', ');
  }

  headers(): Record<string, string> {
    return Object.fromEntries(
      Object.keys(this.#request.headers).map((name) => [name, this.header(name) ?? '']),
    );
  }

  readBody(maxBytes: number): Promise<Uint8Array> {
    const request = this.#request;
    return new Promise((resolve, reject) => {
      if (Number(request.headers['content-length']) > maxBytes) {
        reject(tooLarge(maxBytes));
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBytes) chunks.push(chunk);
        else reject(tooLarge(maxBytes));
      });
      request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
      request.on('error', reject);
    });
  }

  toRequest(): Request {
    const gone = new AbortController();
    this.onGone(() => gone.abort());
    const { method } = this;
    const hasBody = method !== 'GET' && method !== 'HEAD';
    return new Request(`http://${this.header('host') ?? 'localhost'}${this.#request.url}`, {
      method,
      headers: this.headers(),
      signal: gone.signal,
      ...(hasBody && { body: Readable.toWeb(this.#request) as ReadableStream<Uint8Array>, duplex: 'half' }),
    });
  }

  onGone(callback: () => void): void {
    const response = this.#response;
    if (response.destroyed) callback();
    else response.on('close', () => response.writableFinished || callback());
  }
}
