import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Takes over a connection that is to speak another protocol from here on. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Hands on the requests to upgrade that are wanted. Every other, such as the offer of h2c that Java's client makes with
 * its first request, is answered as if it had not asked: RFC 9110, section 7.8 lets a server ignore the wish.
 *
 * @param event - By which the server learns of a connection: `secureConnection` over TLS.
 */
export function handleUpgrades(
  server: Server,
  event: 'connection' | 'secureConnection',
  wants: (request: IncomingMessage) => boolean,
  handle: UpgradeHandler,
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const onError = (): void => {
      socket.destroy();
    };
    socket.on('error', onError);
    whenFree(socket, () => {
      if (socket.destroyed) return;
      if (wants(request)) return handle(request, socket, head);
      socket.off('error', onError);
      // Node's parser has let go of the connection, so it is given back as one that has just come.
      const bytes = Buffer.from(headWithoutUpgrade(request), 'latin1');
      socket.unshift(head.length > 0 ? Buffer.concat([bytes, head]) : bytes);
      server.emit(event, socket);
    });
  });
}

/** Whether a request is one to speak WebSocket: a GET without a body (RFC 6455, section 4.1). */
export function asksForWebSocket({ method, headers }: IncomingMessage): boolean {
  if (headers.upgrade?.trim().toLowerCase() !== 'websocket' || method !== 'GET') return false;
  return headers['transfer-encoding'] === undefined && !Number(headers['content-length'] ?? 0);
}

/** Waits for the answers to requests that came before on the same connection. */
function whenFree(socket: Duplex, then: () => void): void {
  // The response that Node is writing; requests that are answered at once leave none, and none is kept track of for this.
  const { _httpMessage: pending } = socket as Duplex & { _httpMessage?: ServerResponse | null };
  if (!pending) then();
  else pending.once('close', () => setImmediate(whenFree, socket, then));
}

/** The head of a request as bytes, without its wish to upgrade. */
function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? '';
    if (name === 'upgrade' || name === 'http2-settings') continue;
    let value = rawHeaders[i + 1] ?? '';
    if (name === 'connection') {
      const options = value
        .split(',')
        .filter((option) => !/^\s*(?:upgrade|http2-settings)?\s*$/i.test(option));
      if (options.length === 0) continue;
      value = options.join(',').trim();
    }
    text += `${rawHeaders[i]}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
