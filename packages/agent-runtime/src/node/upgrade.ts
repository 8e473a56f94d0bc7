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
    const call = new Call(new UpgradeIncoming(request, socket));
    server ??= createServer(services.maxMessageSize);
    open(server, services, call, request, socket, head).catch((error: unknown) => {
      const { status, type, headers } = describeError(error);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      refuse(socket, status, { type, headers: lines });
    });
  };
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
  webSockets.admit();
  (await server).handleUpgrade(request, socket, head, (connection) => {
    connection.on('error', () => connection.terminate());
    webSockets.serve(nodeSocket(connection), call).catch(() => connection.terminate());
  });
}

// Loaded by agents that speak WebSocket only.
async function createServer(maxPayload: number): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws');
  const server = new WebSocketServer({ noServer: true, maxPayload, clientTracking: false });
  // RFC 6455, section 4.4: a client of another version gets a list of ours.
  server.on('wsClientError', (_error, socket) =>
    refuse(socket, 400, { headers: ['sec-websocket-version: 13, 8'] }),
  );
  return server;
}
