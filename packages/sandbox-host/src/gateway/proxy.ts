import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from '../engines/engine.js';

/** Headers that are about one connection and end with it (RFC 9110, section 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Sends requests on to where ports of sandboxes are, bodies streaming both ways. */
export interface Proxy {
  /** @throws the connection's error when nothing has been answered yet. */
  forward(
    endpoint: Endpoint,
    request: IncomingMessage,
    response: ServerResponse,
    headers: string[],
  ): Promise<void>;
  /** Joins the two connections after an upgrade. */
  upgrade(
    endpoint: Endpoint,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    headers: string[],
  ): Promise<void>;
  close(): void;
}

export function createProxy(): Proxy {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  return {
    forward(endpoint, request, response, headers) {
      return new Promise((resolve, reject) => {
        const upstream = httpRequest({
          agent,
          ...endpoint,
          method: request.method ?? 'GET',
          path: request.url ?? '/',
          headers,
          setHost: false,
        });
        // Streams may be silent for as long as they like.
        upstream.setTimeout(0);
        upstream.setNoDelay(true);
        upstream.once('response', (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders));
          response.flushHeaders();
          answer.pipe(response);
          answer.once('error', () => response.destroy());
          answer.once('close', () => {
            // An answer that was cut must not look whole.
            if (!answer.complete) response.destroy();
            resolve();
          });
        });
        upstream.once('error', (error) => {
          if (response.headersSent) {
            response.destroy();
            resolve();
          } else reject(error);
        });
        response.once('close', () => {
          if (!response.writableFinished) upstream.destroy();
        });
        request.pipe(upstream);
        request.once('error', () => upstream.destroy());
      });
    },
    upgrade(endpoint, request, socket, head, headers) {
      return new Promise((resolve, reject) => {
        const upstream = connect(endpoint);
        upstream.once('error', reject);
        upstream.once('connect', () => {
          upstream.off('error', reject);
          upstream.setNoDelay(true);
          const lines = [`${request.method} ${request.url} HTTP/1.1`];
          for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
          upstream.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
          upstream.write(head);
          upstream.pipe(socket).pipe(upstream);
          const end = (): void => {
            upstream.destroy();
            socket.destroy();
          };
          for (const side of [upstream, socket]) side.once('error', end).once('close', end);
          resolve();
        });
      });
    },
    close: () => agent.destroy(),
  };
}

/** The headers of a message that go further, as a flat list of names and values. */
export function endToEnd(rawHeaders: string[], dropped: ReadonlySet<string> = new Set()): string[] {
  const named = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== 'connection') continue;
    for (const name of (rawHeaders[i + 1] ?? '').split(',')) named.add(name.trim().toLowerCase());
  }
  const kept: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (hopByHop.has(name) || named.has(name) || dropped.has(name)) continue;
    kept.push(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  }
  return kept;
}
