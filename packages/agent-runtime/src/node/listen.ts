import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { asksForWebSocket, handleUpgrades, refusals } from '@sandpiper/protocol';
import type { Incoming } from '../http/incoming.js';
import type { Reply } from '../http/reply.js';
import type { Listener, ListenOptions } from '../platform.js';
import { answerClientError, namesHost, refuse, withoutHost } from './client-error.js';
import { NodeIncoming } from './node-incoming.js';
import { upgrader } from './upgrade.js';
import { writeReply } from './write-reply.js';

/** Longer than any client's pool keeps a connection, so that it is never the server that closes first. */
const keepAliveTimeoutMs = 75_000;

/** How long connections have for what is still to be sent when everything has ended. */
const flushMs = 1000;

/** Listens with `node:http`. Rejects when the address is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  // Node's own lists leave out connections that have asked for nothing yet, and those that speak WebSocket.
  const connections = new Set<Socket>();
  const fresh = new Set<Socket>();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    fresh.delete(request.socket);
    if (!server.listening) response.setHeader('connection', 'close');
    if (namesHost(request)) serve(options.answer, request, response);
    else writeReply(withoutHost(), request, response);
  };
  // What Node would refuse by itself, with an empty body, is answered in JSON like everything else.
  const server = createServer({ requireHostHeader: false, highWaterMark: options.bufferBytes }, onRequest);
  server.on('checkExpectation', onRequest);
  server.on('connect', (_request, socket) => {
    // Node has let go of it: an error that nobody listens to would end the process.
    socket.on('error', () => socket.destroy());
    const headers = ['allow: GET, HEAD, POST, DELETE, OPTIONS'];
    refuse(socket, 405, { type: refusals.methodNotAllowed, headers });
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  server.on('clientError', answerClientError);
  const upgrade = upgrader(options);
  // Always: without a listener Node swallows what is pipelined after a request that wishes to upgrade.
  handleUpgrades(
    server,
    'connection',
    (request) => asksForWebSocket(request) && options.webSockets.handler !== undefined,
    (request, socket, head) => {
      fresh.delete(request.socket);
      upgrade(request, socket, head);
    },
  );
  server.on('connection', (socket: Socket) => {
    fresh.add(socket);
    // Comes twice when it wished to upgrade.
    if (connections.has(socket)) return;
    connections.add(socket);
    socket.once('close', () => {
      connections.delete(socket);
      fresh.delete(socket);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    host: options.host,
    stopAccepting: () => {
      server.close();
      for (const socket of fresh) socket.destroy();
    },
    close: async () => {
      server.closeIdleConnections();
      const cut = setTimeout(() => {
        for (const socket of connections) socket.destroy();
      }, flushMs);
      await closed;
      clearTimeout(cut);
    },
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
  if (reply instanceof Promise) reply.then(write, () => response.destroy());
  else write(reply);
}
