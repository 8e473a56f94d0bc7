import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { asksForWebSocket, handleUpgrades } from '@sandpiper/protocol';
import { connectionBudget } from '@sandpiper/sandbox-engine/descriptors';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import { refuseOn } from '../http/messages.js';
import { checkCertificate, type TlsCertificate, takeCertificate } from './certificate.js';
import { discardBody, hasBody } from './discard-body.js';
import { certificateNames, withPort } from './domain.js';
import { boundConnections } from './limit-connections.js';

/** What answers. */
export interface RequestHandlers {
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

/** How long answers that are under way may take when the host closes. */
const lastWordsMs = 250;

/** How long a connection may take for its TLS handshake, and then for the whole head of a request, its first byte included. */
const handshakeMs = 10_000;
const headMs = 15_000;
/** How often it is looked whether one is late. */
const lookMs = 5_000;

/** Where and how to listen. */
export interface ListenOptions {
  /** Default: any free one. */
  port?: number;
  /** An address. Default: 127.0.0.1. */
  host?: string;
  /** Default: plain HTTP; `true` for a certificate of one's own making. */
  tls?: boolean | TlsCertificate;
  /** The domain whose names lead here. */
  domain?: string;
}

/** A port that is open; requests that arrive before there are handlers wait. */
export interface Listener {
  /** How it is reached from this machine. */
  readonly origin: string;
  /** As it was asked for, with the port where that has to be said. */
  readonly domain: string | undefined;
  /** The certificate that was made, as PEM. */
  readonly certificate: string | undefined;
  answer(handlers: RequestHandlers): void;
  /** Takes no more connections. */
  refuse(): void;
  /** Ends the connections that there are. */
  close(): Promise<void>;
}

/**
 * @param directory - Where a certificate is kept that is made.
 * @throws Error when the address is taken, or key and certificate do not belong together.
 */
export async function listen(options: ListenOptions, directory: string, logger: Logger): Promise<Listener> {
  const { host = '127.0.0.1', port = 0, tls } = options;
  const made =
    tls === true ? await takeCertificate(directory, certificateNames(host, options.domain)) : undefined;
  if (typeof tls === 'object') checkCertificate(tls);
  const timing = { headersTimeout: headMs, connectionsCheckingInterval: lookMs };
  const server = tls
    ? createTlsServer({ ...(made ?? (tls as TlsCertificate)), ...timing, handshakeTimeout: handshakeMs })
    : createServer(timing);
  boundConnections(server, connectionBudget());
  let handlers: RequestHandlers | undefined;
  let answer: (handlers: RequestHandlers) => void = () => {};
  const opened = new Promise<RequestHandlers>((resolve) => {
    answer = (given) => {
      handlers = given;
      resolve(given);
    };
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (hasBody(request)) response.once('finish', () => request.complete || discardBody(request));
    const served = handlers
      ? handlers.serve(request, response)
      : opened.then((one) => one.serve(request, response));
    served.catch(() => response.destroy());
  });
  handleUpgrades(
    server,
    tls ? 'secureConnection' : 'connection',
    asksForWebSocket,
    (request, socket, head) => {
      opened.then((handlers) => handlers.upgrade(request, socket, head)).catch(() => socket.destroy());
    },
  );
  // Without a listener Node ends the connection without a word.
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    refuseOn(socket, 405, 'This host is no proxy: CONNECT leads nowhere.');
  });
  // Streams live as long as they like; only the head of a request has to come in time.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 65_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      // A connection that could not be taken is its caller's loss, not the end of the host.
      server.on('error', logFailure(logger, 'A connection could not be accepted'));
      resolve();
    });
  });
  let stopped: Promise<void> | undefined;
  const refuse = (): Promise<void> => {
    stopped ??= new Promise((resolve) => server.close(() => resolve()));
    return stopped;
  };
  return {
    origin: originOf(server, tls ? 'https' : 'http'),
    domain: options.domain && withPort(options.domain, tls ? (server.address() as AddressInfo).port : 443),
    certificate: made?.cert,
    answer,
    refuse,
    async close() {
      const done = refuse();
      // What has just been answered still has to get out; what streams is cut.
      const cut = setTimeout(() => server.closeAllConnections(), lastWordsMs);
      await done;
      clearTimeout(cut);
    },
  };
}

/** How a server is reached that listens on an address: one that listens everywhere, on this machine. */
function originOf(server: Server, scheme: string): string {
  const { address, port } = server.address() as AddressInfo;
  const name = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
