import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusals } from '@sandpiper/protocol';
import type { WebSocketServer } from 'ws';
import { describeError } from '../errors/describe-error.js';
import { Call } from '../http/call.js';
import type { ListenOptions } from '../platform.js';
import { namesHost, refuse } from './client-error.js';
import { UpgradeIncoming } from './node-incoming.js';
import { nodeSocket } from './node-socket.js';

type UpgradeServices = Pick<ListenOptions, 'webSockets' | 'guard' | 'maxMessageSize'>;

/** Answers requests to speak WebSocket: on `/ws`, where a handler is registered. */
export function upgrader(
  services: UpgradeServices,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  let server: Promise<WebSocketServer> | undefined;
  return (request, socket, head) => {
    // Until the protocol is agreed on, nobody else listens to errors of the socket.
    socket.on('error', () => socket.destroy());
    const call = new Call(new UpgradeIncoming(request, socket));
    server ??= createServer(services.maxMessageSize);
    open(server, services, call, request, socket, head).catch((error: unknown) => {
      const { status, type, headers } = describeError(error);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      refuse(socket, status, { type, headers: lines });
    });
  };
}

/** Whether a request asks for the one protocol that is spoken here besides HTTP/1.1. */
export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * What a request to speak another protocol (such as h2c, which some clients ask for each time) is without that wish,
 * as bytes: RFC 9110, section 7.8 lets a server ignore it, but Node's parser has let go of the connection by then.
 */
export function withoutUpgrade(
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  head: Buffer,
): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!/^(connection|upgrade|http2-settings)$/i.test(name)) text += `${name}: ${rawHeaders[at + 1]}\r\n`;
  }
  return Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]);
}

async function open(
  server: Promise<WebSocketServer>,
  { webSockets, guard }: UpgradeServices,
  call: Call,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  if (!namesHost(request)) return refuse(socket, 400);
  if (call.incoming.path !== '/ws') return refuse(socket, 404, { type: refusals.notFound });
  await guard(call.incoming);
  (await server).handleUpgrade(request, socket, head, (connection) => {
    connection.on('error', () => connection.terminate());
    void webSockets.serve(nodeSocket(connection), call);
  });
}

// Loaded by agents that speak WebSocket only.
async function createServer(maxPayload: number): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws');
  const server = new WebSocketServer({ noServer: true, maxPayload, clientTracking: false });
  // RFC 6455, section 4.4: who speaks another version is told which there are.
  server.on('wsClientError', (_error, socket) =>
    refuse(socket, 400, { headers: ['sec-websocket-version: 13, 8'] }),
  );
  return server;
}
