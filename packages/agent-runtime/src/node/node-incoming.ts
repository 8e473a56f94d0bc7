import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type Duplex, Readable, type Writable } from 'node:stream';
import { invalidEncoding, tooLarge } from '../errors/body-errors.js';
import type { Incoming } from '../http/incoming.js';
import { callerGone } from '../invocation/termination-reasons.js';

/** A request on a Node socket as the core sees it. */
export class NodeIncoming implements Incoming {
  readonly method: string;
  readonly path: string;
  readonly #request: IncomingMessage;
  readonly #response: Writable;

  /** @param response - Where the answer goes: when it closes unfinished, the caller has left. */
  constructor(request: IncomingMessage, response: Writable) {
    const target = request.url ?? '/';
    const end = target.indexOf('?');
    const path = end < 0 ? target : target.slice(0, end);
    this.method = request.method ?? 'GET';
    this.#request = request;
    this.#response = response;
    // Read as a URL, as `fetch` and middleware read it, wherever that can make a difference.
    this.path = plainPath.test(path) ? path : this.#url().pathname;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'object' ? value.join(', ') : value;
  }

  headers(): Record<string, string> {
    const names = Object.keys(this.#request.headers);
    return Object.fromEntries(names.map((name) => [name, this.header(name) ?? '']));
  }

  readText(maxBytes: number): Promise<string> {
    const request = this.#request;
    return new Promise((resolve, reject) => {
      if (Number(request.headers['content-length']) > maxBytes) {
        reject(tooLarge(maxBytes));
        return;
      }
      let chunks: Buffer[] | undefined;
      let size = 0;
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) reject(tooLarge(maxBytes));
        else if (chunks) chunks.push(chunk);
        else chunks = [chunk];
      });
      request.on('end', () => {
        const bytes = chunks?.length === 1 ? chunks[0] : Buffer.concat(chunks ?? []);
        if (bytes && isUtf8(bytes)) resolve(textOf(bytes));
        else reject(invalidEncoding());
      });
      // Node has no other error for a body than that its connection broke.
      request.on('error', () => reject(callerGone()));
    });
  }

  toRequest(): Request {
    const { method } = this;
    const gone = new AbortController();
    this.onGone(() => gone.abort());
    const body =
      method === 'GET' || method === 'HEAD' ? null : (Readable.toWeb(this.#request) as ReadableStream);
    return new Request(this.#url(), {
      method,
      headers: this.headers(),
      signal: gone.signal,
      ...(body && { body, duplex: 'half' }),
    });
  }

  /** Of an origin-form and of an absolute-form target alike (RFC 9112, section 3.2). */
  #url(): URL {
    const { url: target = '/' } = this.#request;
    const base = `http://${this.header('host')}`;
    const origin = URL.canParse(base) ? new URL(base).origin : 'http://localhost';
    const text = target.startsWith('/') ? `${origin}${target}` : target;
    // What is no URL leads nowhere.
    const url = new URL(URL.canParse(text) ? text : `${origin}/*`);
    // No `Request` can have credentials in its URL.
    url.username = '';
    url.password = '';
    return url;
  }

  onGone(callback: () => void): void {
    const response = this.#response;
    if (response.destroyed) callback();
    else response.on('close', () => response.writableFinished || callback());
  }
}

/** A path that every reader reads alike: with no dots, doubled slashes, escapes or others that URLs rewrite. */
const plainPath = /^\/(?:[\w-]+(?:\/[\w-]+)*)?$/;

/** A request to speak another protocol: its connection is its own, and closing it in whatever way is leaving. */
export class UpgradeIncoming extends NodeIncoming {
  readonly #socket: Duplex;

  constructor(request: IncomingMessage, socket: Duplex) {
    super(request, socket);
    this.#socket = socket;
  }

  override onGone(callback: () => void): void {
    this.#socket.once('close', callback);
  }
}

/** Without its byte order mark, as a decoder of the web gives it. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString();
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}
