import dns from 'node:dns';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, isIP, isIPv4, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Duplex, pipeline } from 'node:stream';
import { connectionBudget } from '@sandpiper/sandbox-engine/descriptors';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { checkFraming } from '@sandpiper/sandbox-engine/http/check-framing';
import { endToEnd } from '@sandpiper/sandbox-engine/http/hop-by-hop';
import { writeInterim } from '@sandpiper/sandbox-engine/http/interim-responses';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import { isWithin } from './address-plan.js';
import { allowsAddress, allowsName, type EgressRules, isReserved } from './egress-rules.js';

/** One sandbox, as the proxy knows it. */
export interface ProxyClient {
  rules: EgressRules;
  /** Told, as `host:port`, what it was not let through to. */
  onRefused: (target: string) => void;
}

const connectTimeoutMs = 10_000;
/** How long a sandbox may take for the whole head of a request, and how often that is checked. */
const headMs = 15_000;
const lookMs = 5_000;
/** Connections of one sandbox at a time. */
const connectionsAllowed = 128;

/** Why a request goes no further. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** A sandbox that is served. */
interface Served {
  client: ProxyClient;
  /** Connections to the proxy. */
  sockets: number;
  /** Those that led on. */
  open: Set<Connection>;
}

interface Connection {
  host: string;
  sockets: { destroy(): unknown }[];
}

/**
 * A forward proxy for HTTP, with CONNECT for everything else: the way out to hosts that are allowed by name. It looks
 * a name up by itself at the moment of connecting, so no answer of a sandbox's own choosing counts, and a name that
 * leads to this machine or into its neighbourhood leads nowhere. Sandboxes are told by the address they come from,
 * which the packet filter vouches for.
 */
export class EgressProxy {
  readonly #clients = new Map<string, Served>();
  readonly #server: Server;

  private constructor(
    readonly address: string,
    private readonly logger: Logger,
  ) {
    const timing = { headersTimeout: headMs, connectionsCheckingInterval: lookMs, requestTimeout: 0 };
    this.#server = createServer(timing, (incoming, response) => {
      this.#forward(incoming, response).catch(() => response.destroy());
    });
    this.#server.maxConnections = Math.floor(connectionBudget() / 2);
    this.#server.on('connection', (socket) => this.#count(socket));
    this.#server.on('connect', (incoming, socket: Duplex, head: Buffer) => {
      this.#tunnel(incoming, socket, head).catch(() => socket.destroy());
    });
  }

  /** @param port - The one it had before, which programs may know; another where that one is taken. */
  static async listen(address: string, port: number, logger: Logger): Promise<EgressProxy> {
    const proxy = new EgressProxy(address, logger);
    await proxy.#listen(port).catch(() => proxy.#listen(0));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Serves a sandbox, or goes on by other rules: what these do not allow is cut. */
  serve(address: string, client: ProxyClient): void {
    const served = this.#clients.get(address) ?? { client, sockets: 0, open: new Set() };
    served.client = client;
    this.#clients.set(address, served);
    for (const connection of served.open) {
      if (!allowsHost(client.rules, connection.host)) cut(connection);
    }
  }

  forget(address: string): void {
    for (const connection of this.#clients.get(address)?.open ?? []) cut(connection);
    this.#clients.delete(address);
  }

  async close(): Promise<void> {
    for (const address of [...this.#clients.keys()]) this.forget(address);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, this.address, () => {
        this.#server.off('error', reject);
        // A connection that could not be taken is the program's loss, not the end of the host.
        this.#server.on('error', logFailure(this.logger, 'The egress proxy could not accept a connection'));
        resolve();
      });
    });
  }

  /** What connects and says nothing takes room, too. */
  #count(socket: Socket): void {
    const served = this.#clients.get(socket.remoteAddress ?? '');
    if (!served || served.sockets >= connectionsAllowed) {
      socket.destroy();
      return;
    }
    served.sockets += 1;
    socket.once('close', () => {
      served.sockets -= 1;
    });
  }

  async #tunnel(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until there is somebody at the other end.
    const onError = (): void => {};
    socket.on('error', onError);
    try {
      const { host, port, address, connection, done } = await this.#admit(
        incoming,
        `http://${incoming.url ?? ''}`,
      );
      let joined = false;
      const upstream = connect({ host: address, port });
      connection.sockets.push(socket, upstream);
      upstream.setTimeout(connectTimeoutMs, () => upstream.destroy(new Error('timeout')));
      upstream.once('error', () => {
        if (!joined) answer(socket, 502, `${host} cannot be reached.`);
      });
      upstream.once('close', done);
      upstream.once('connect', () => {
        joined = true;
        upstream.setTimeout(0);
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        pipeline(socket, upstream, socket, () => {});
      });
      socket.once('close', () => upstream.destroy());
    } catch (error) {
      answer(socket, ...refusalOf(error));
    }
  }

  async #forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      checkFraming(incoming);
      const { url, port, address, connection, host, done } = await this.#admit(incoming, incoming.url ?? '');
      const upstream = request({
        host: address,
        port,
        method: incoming.method,
        path: url.pathname + url.search,
        // What it asks for and what it says it asks for are the same.
        headers: [...sentOn(incoming), 'Host', url.host, 'Connection', 'close'],
        setHost: false,
        agent: false,
        timeout: connectTimeoutMs,
      });
      connection.sockets.push(incoming, upstream);
      upstream.once('socket', (socket) => socket.once('connect', () => upstream.setTimeout(0)));
      upstream.once('timeout', () => upstream.destroy(new Error('timeout')));
      upstream.once('close', done);
      let isFull = false;
      upstream.on('information', ({ statusCode: status, statusMessage: reason, rawHeaders }) => {
        if (isFull) return;
        const interim = { status, reason, fields: endToEnd(rawHeaders) };
        isFull = !writeInterim(response, interim, () => {
          isFull = false;
        });
      });
      upstream.once('response', (received) => {
        response.writeHead(received.statusCode ?? 502, endToEnd(received.rawHeaders));
        pipeline(received, response, () => {});
      });
      upstream.once('error', () => {
        if (response.headersSent) response.destroy();
        else refuse(response, 502, `${host} cannot be reached.`);
      });
      response.once('close', () => upstream.destroy());
      incoming.pipe(upstream);
    } catch (error) {
      refuse(response, ...refusalOf(error));
    }
  }

  /** Decides whether a request may go on, and to which address. */
  async #admit(incoming: IncomingMessage, target: string) {
    const served = this.#clients.get(incoming.socket.remoteAddress ?? '');
    if (!served || !URL.canParse(target))
      throw new Refusal(400, 'This is a proxy for http:// URLs and CONNECT.');
    const { client, open } = served;
    const url = new URL(target);
    const host = url.hostname;
    const port = Number(url.port || 80);
    if (url.protocol !== 'http:') throw new Refusal(400, 'Use CONNECT for anything but http:// URLs.');
    if (!allowsHost(client.rules, host)) {
      client.onRefused(`${host}:${port}`);
      throw new Refusal(403, `${host} is not among the hosts this sandbox may reach (network.allowOut).`);
    }
    const connection: Connection = { host, sockets: [] };
    open.add(connection);
    const done = (): void => {
      open.delete(connection);
    };
    try {
      const address = (await lookUp(host)).find((found) => isFit(client.rules, found));
      if (!address) {
        client.onRefused(`${host}:${port}`);
        throw new Refusal(403, `${host} leads to no address this sandbox may reach.`);
      }
      if (incoming.socket.destroyed) throw new Refusal(499, 'The caller has gone.');
      return { url, host, port, address, connection, done };
    } catch (error) {
      done();
      throw error;
    }
  }
}

function allowsHost(rules: EgressRules, host: string): boolean {
  return isIP(host) ? isIPv4(host) && allowsAddress(rules, host) : allowsName(rules, host);
}

/** Public addresses and those allowed by number; never this machine, whatever its addresses are. */
function isFit(rules: EgressRules, address: string): boolean {
  if (isWithin(address, '127.0.0.0/8') || isWithin(address, '0.0.0.0/8')) return false;
  const own = Object.values(networkInterfaces()).flatMap((all = []) => all.map((one) => one.address));
  if (own.includes(address)) return false;
  return !isReserved(address) || allowsAddress(rules, address);
}

async function lookUp(host: string): Promise<string[]> {
  if (isIPv4(host)) return [host];
  // Not by the system's library, which has a few threads for all of this process.
  const resolver = new dns.promises.Resolver({ timeout: 2_000, tries: 2 });
  // The process may have been told others than the system's; bound when asked, since telling rebinds them.
  resolver.setServers(dns.getServers());
  return resolver.resolve4(host).catch(() => {
    throw new Refusal(502, `${host} has no address.`);
  });
}

function refusalOf(error: unknown): [status: number, message: string] {
  return error instanceof Refusal || HostError.isInstance(error)
    ? [error.status, error.message]
    : [502, 'The host cannot be reached.'];
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${message}\n`);
}

function answer(socket: Duplex, status: number, message: string): void {
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n${message}\n`,
  );
}

function cut({ sockets }: Connection): void {
  for (const socket of sockets) socket.destroy();
}

/** What is sent on of a request's headers, with the length of what is sent. */
function sentOn({ headers, rawHeaders }: IncomingMessage): string[] {
  const kept = endToEnd(rawHeaders, (name) => notSentOn.has(name) || name.startsWith('proxy-'));
  if (headers['transfer-encoding'] !== undefined) kept.push('Transfer-Encoding', 'chunked');
  else if (headers['content-length'] !== undefined) kept.push('Content-Length', headers['content-length']);
  return kept;
}

const notSentOn: ReadonlySet<string> = new Set(['content-length', 'expect', 'host']);
