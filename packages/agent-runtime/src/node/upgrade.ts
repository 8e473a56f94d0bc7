import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import { Call } from '../http/call.js';
import type { ListenOptions } from '../platform.js';
import { UpgradeIncoming } from './node-incoming.js';
import { nodeSocket } from './node-socket.js';

type UpgradeServices = Pick<ListenOptions, 'webSockets' | 'authenticate' | 'maxMessageSize'>;

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
    open(server, services, call, request, socket, head).catch((error: unknown) => refuse(socket, error));
  };
}

async function open(
  server: Promise<WebSocketServer>,
  { webSockets, authenticate }: UpgradeServices,
  call: Call,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  if (call.incoming.path !== '/ws' || !webSockets.handler) return refuse(socket, { status: 404 });
  await authenticate?.(call.incoming);
  (await server).handleUpgrade(request, socket, head, (connection) => {
    connection.on('error', () => connection.terminate());
    void webSockets.serve(nodeSocket(connection), call);
  });
}

// Loaded by agents that speak WebSocket only.
async function createServer(maxPayload: number): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws');
  return new WebSocketServer({ noServer: true, maxPayload, clientTracking: false });
}

function refuse(socket: Duplex, why: unknown): void {
  const status = typeof why === 'object' && why !== null && 'status' in why ? Number(why.status) : 500;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
