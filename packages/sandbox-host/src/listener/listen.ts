import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TlsCertificate } from './certificate.js';

/** What answers. */
export interface Doors {
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

/** Where it listens. */
export interface ListenOptions {
  port: number;
  host: string;
  tls: TlsCertificate | undefined;
}

/** Listens, and resolves once it does. @throws Error when the address is taken. */
export async function listen(doors: Doors, { port, host, tls }: ListenOptions): Promise<Server> {
  const server = tls ? createTlsServer(tls) : createServer();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    doors.serve(request, response).catch(() => response.destroy());
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    doors.upgrade(request, socket, head).catch(() => socket.destroy());
  });
  // Streams live as long as they like; only the head of a request has to come in time.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 65_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server;
}

/** How a server is reached that listens on an address: one that listens everywhere, on this machine. */
export function originOf(server: Server, scheme: string): string {
  const { address, port } = server.address() as AddressInfo;
  const name = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
