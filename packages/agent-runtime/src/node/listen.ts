import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Incoming } from '../http/incoming.js';
import type { Reply } from '../http/reply.js';
import { answerClientError } from './client-error.js';
import { NodeIncoming } from './node-incoming.js';
import { writeReply } from './write-reply.js';

/** A server that listens. */
export interface AgentRuntimeServer {
  /** The port it took, also when any was asked for. */
  readonly port: number;
  readonly host: string;
  /** Lets running invocations finish (`shutdownGraceMs`), then stops listening. May be called twice. */
  close(): Promise<void>;
}

/** Longer than any client's pool keeps a connection, so that it is never the server that closes first. */
const keepAliveTimeoutMs = 75_000;

/** Listens with `node:http`. Rejects when the address is taken. */
export async function listen(
  answer: (incoming: Incoming) => Reply | Promise<Reply>,
  address: { port: number; host: string },
): Promise<AgentRuntimeServer> {
  // Connections that have not asked for anything yet: Node does not count these as idle.
  const fresh = new Set<Socket>();
  const server = createServer((request, response) => {
    fresh.delete(request.socket);
    if (!server.listening) response.setHeader('connection', 'close');
    serve(answer, request, response);
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  server.on('clientError', answerClientError);
  server.on('connection', (socket: Socket) => {
    fresh.add(socket);
    socket.once('close', () => fresh.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    host: address.host,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        for (const socket of fresh) socket.destroy();
      }),
  };
}

function serve(
  answer: (incoming: Incoming) => Reply | Promise<Reply>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const write = (reply: Reply): void => {
    try {
      writeReply(reply, request, response);
    } catch {
      // A reply that cannot be written must cost its own connection, not the process.
      response.destroy();
    }
  };
  const reply = answer(new NodeIncoming(request, response));
  if (reply instanceof Promise) void reply.then(write);
  else write(reply);
}
