import type { EventEmitter } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { asksForWebSocket, handleUpgrades, refusals } from '@sandpiper/protocol';
import type { Incoming } from '../http/incoming.js';
import type { Reply } from '../http/reply.js';
import type { Listener, ListenOptions } from '../platform.js';
import { Arrivals } from './arrivals.js';
import { answerClientError, namesHost, refuse, withoutHost } from './client-error.js';
import { NodeIncoming } from './node-incoming.js';
import { upgrader } from './upgrade.js';
import { writeReply } from './write-reply.js';

/** Longer than any client's pool keeps a connection, so that it is never the server that closes first. */
const keepAliveTimeoutMs = 75_000;

/** How long a connection may take for the whole head of a request, its first byte included. */
const defaultHeadMs = 15_000;

/** How often it is looked whether one is late, at most. */
const longestLookMs = 5000;

/** How long connections have for what is still to be sent when everything has ended. */
const flushMs = 1000;

/** Listens with `node:http`. Rejects when the address is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  // Node's own lists leave out connections that have asked for nothing yet, and those that speak WebSocket.
  const connections = new Set<Socket>();
  const fresh = new Set<Socket>();
  let isStopping = false;
  /** There while the port is being closed: what comes meanwhile is answered after that. */
  let closing: Promise<void> | undefined;
  const write = (reply: Reply, request: IncomingMessage, response: ServerResponse): void => {
    // A caller that sent a next request on this connection might not get a response to it.
    if (isStopping && !response.headersSent) response.setHeader('connection', 'close');
    writeReply(reply, request, response);
  };
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    if (namesHost(request)) serve({ answer: options.answer, write }, request, response);
    else write(withoutHost(), request, response);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    fresh.delete(request.socket);
    if (!closing) respond(request, response);
    else closing.then(() => response.destroyed || respond(request, response)).catch(() => response.destroy());
  };
  // What Node would refuse by itself, with an empty body, is answered in JSON like everything else.
  const { bufferBytes, headMs = defaultHeadMs } = options;
  const server = createServer(
    {
      requireHostHeader: false,
      highWaterMark: bufferBytes,
      // Bodies and answers take as long as they like; only the head of a request has to come in time.
      requestTimeout: 0,
      headersTimeout: headMs,
      connectionsCheckingInterval: Math.min(headMs, longestLookMs),
    },
    onRequest,
  );
  server.on('checkExpectation', onRequest);
  server.on('connect', (_request, socket) => {
    // Node has let go of it: an error that nobody listens to would end the process.
    socket.on('error', () => socket.destroy());
    const headers = ['allow: GET, HEAD, POST, DELETE, OPTIONS'];
    refuse(socket, 405, { type: refusals.methodNotAllowed, headers });
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  const arrivals = new Arrivals(server);
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
  // A connection that could not be taken, as for want of descriptors, is its caller's loss, not the end of the process.
  server.on('error', () => {});
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    host: options.host,
    stopAccepting: async () => {
      isStopping = true;
      closing = arrivals.whenQuiet(() => closePort(server));
      await closing;
      closing = undefined;
    },
    close: async () => {
      await arrivals.untilIdle(() => connections.size > 0);
      // Its connections, too, by now.
      server.close();
      for (const socket of fresh) socket.destroy();
      const cut = setTimeout(() => {
        for (const socket of connections) socket.destroy();
      }, flushMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Takes no more connections, and leaves those that are open, which closing an HTTP server does not. */
function closePort(server: EventEmitter & { close(): unknown }): void {
  // Bun's is none.
  if (server instanceof NetServer) NetServer.prototype.close.call(server);
  else server.close();
}

interface Service {
  answer(incoming: Incoming): Reply | Promise<Reply>;
  write(reply: Reply, request: IncomingMessage, response: ServerResponse): void;
}

function serve(service: Service, request: IncomingMessage, response: ServerResponse): void {
  const write = (reply: Reply): void => {
    try {
      service.write(reply, request, response);
    } catch {
      // A reply that cannot be written must cost its own connection, not the process.
      response.destroy();
    }
  };
  const reply = service.answer(new NodeIncoming(request, response));
  if (reply instanceof Promise) reply.then(write, () => response.destroy());
  else write(reply);
}
