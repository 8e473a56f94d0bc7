import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Reply } from '../http/reply.js';
import type { Sink } from '../stream/sink.js';

/** Puts a reply on the socket: streams are written straight to it, with no web stream between. */
export async function writeReply(reply: Reply, response: ServerResponse): Promise<void> {
  switch (reply.kind) {
    case 'body':
      reply.headers['content-length'] = String(Buffer.byteLength(reply.body));
      response.writeHead(reply.status, reply.headers).end(reply.body);
      return;
    case 'stream':
      response.writeHead(reply.status, reply.headers);
      // An agent may think long before its first value; the caller shall know that it was accepted.
      response.flushHeaders();
      reply.open(new NodeSink(response));
      return;
    case 'passed': {
      const { headers, body, status } = reply.response;
      for (const name in reply.headers) response.setHeader(name, reply.headers[name] ?? '');
      for (const [name, value] of headers) {
        if (name === 'set-cookie') response.appendHeader(name, value);
        else response.setHeader(name, value);
      }
      response.writeHead(status);
      if (body) await pipeline(Readable.fromWeb(body as never), response);
      else response.end();
    }
  }
}

class NodeSink implements Sink {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get onDrain(): (() => void) | undefined {
    return undefined;
  }

  set onDrain(callback: () => void) {
    this.#response.on('drain', callback);
  }

  write(text: string): boolean {
    return this.#response.destroyed || this.#response.write(text);
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }
}
