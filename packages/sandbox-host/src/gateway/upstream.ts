import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { dial } from '../sandboxes/dial.js';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** How long a port may take to open: a server that was just started needs a moment. */
const dialMs = 1_000;
const dialPauseMs = 25;
/** A sandbox that ends meanwhile answers nothing, not even no. */
const connectMs = 30_000;

/**
 * How long an unused connection is kept whose server did not say how long it would. Less than what servers have by
 * default: a request that meets the closing of its connection cannot be sent again, unless it is a GET or a HEAD.
 */
const idleMs = 1_000;
/** How much sooner than the server says a connection is given up; none is kept longer than ten minutes. */
const idleMarginMs = 1_000;
const longestIdleMs = 600_000;
/** How often connections are looked for that have been kept long enough: a timer for each would be one per request. */
const sweepMs = 500;

/** Nothing listens on the port. */
export class PortClosedError extends Error {}

/** A port that has been found open, and the connection that showed it. */
interface Opening {
  endpoint: Endpoint;
  socket: Socket;
}

const openings = new WeakMap<Sandbox, Map<number, Promise<Opening>>>();

/**
 * Connects to a port of a sandbox, over TLS where it was said to serve HTTPS.
 *
 * @throws PortClosedError, HostError 502 where TLS is not what is spoken there, or the connection's error: nothing has
 * been sent then.
 */
export async function connectTo(sandbox: Sandbox, port: number): Promise<Socket> {
  const socket = await connectPlainly(sandbox, port);
  return sandbox.settings.network.httpsPorts?.includes(port) ? encrypt(socket, port) : socket;
}

/** Waits a moment for the port to open: the first who asks looks for all who ask meanwhile. */
async function connectPlainly(sandbox: Sandbox, port: number): Promise<Socket> {
  const underWay = openings.get(sandbox) ?? new Map<number, Promise<Opening>>();
  openings.set(sandbox, underWay);
  const known = underWay.get(port);
  if (known) {
    const socket = await dial((await known).endpoint, connectMs);
    if (!socket) throw new PortClosedError();
    return socket;
  }
  const opening = open(sandbox, port).finally(() => underWay.delete(port));
  underWay.set(port, opening);
  return (await opening).socket;
}

async function open(sandbox: Sandbox, port: number): Promise<Opening> {
  for (const deadline = performance.now() + dialMs; ; ) {
    const endpoint = await sandbox.engine.dial(port);
    const socket = endpoint && (await dial(endpoint, connectMs));
    if (socket) return { endpoint, socket };
    if (performance.now() >= deadline) throw new PortClosedError();
    await new Promise((resolve) => setTimeout(resolve, dialPauseMs));
  }
}

/** Any certificate will do: nobody stands between the host and its sandbox. */
function encrypt(plain: Socket, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ socket: plain, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    const failed = (cause: Error): void => {
      socket.destroy();
      const message = `Port ${port} is one of httpsPorts, but nothing there speaks TLS: ${cause.message}`;
      reject(new HostError(502, message, { cause }));
    };
    const late = (): void => failed(new Error(`no answer within ${connectMs} ms`));
    socket.setTimeout(connectMs);
    socket.once('error', failed);
    socket.once('timeout', late);
    socket.once('secureConnect', () => {
      socket.off('error', failed).off('timeout', late).setTimeout(0);
      resolve(socket);
    });
  });
}

/** What a connection is used for at the moment. */
export interface ConnectionUser {
  received(bytes: Buffer): void;
  drained(): void;
  /** Nothing more comes: the server has ended the connection, or it broke. */
  ended(error?: Error): void;
}

/** A connection to a port of a sandbox, for one request at a time. */
export class Connection {
  user: ConnectionUser | undefined;
  #isUsedAgain = false;
  /** Until when it is kept while it is not used, on the clock of `performance.now()`. */
  #until = 0;

  constructor(
    readonly socket: Socket,
    private readonly kept: Connection[],
  ) {
    socket.on('data', (bytes: Buffer) => (this.user ? this.user.received(bytes) : socket.destroy()));
    socket.on('drain', () => this.user?.drained());
    socket.on('end', () => this.#end());
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end());
  }

  /** Whether it served a request before, so that its server may be about to close it. */
  get isUsedAgain(): boolean {
    return this.#isUsedAgain;
  }

  /** Whether its server still waits for the next request. */
  isFresh(now: number): boolean {
    return now < this.#until && !this.socket.destroyed;
  }

  /** Keeps it for the next request. */
  release(keepAliveSeconds: number | undefined): void {
    this.user = undefined;
    const ms =
      keepAliveSeconds === undefined
        ? idleMs
        : Math.min(keepAliveSeconds * 1000 - idleMarginMs, longestIdleMs);
    if (ms <= 0 || this.socket.destroyed || this.socket.readableEnded) {
      this.socket.destroy();
      return;
    }
    this.#isUsedAgain = true;
    this.#until = performance.now() + ms;
    this.kept.push(this);
  }

  #end(error?: Error): void {
    const { user } = this;
    this.user = undefined;
    user?.ended(error);
    const index = this.kept.indexOf(this);
    if (index >= 0) this.kept.splice(index, 1);
    this.socket.destroy();
  }
}

/**
 * Connections into sandboxes, kept for the next request. A port is looked up for a new connection only: one that is
 * there already leads to the process that accepted it, whatever process has the port number by now.
 */
export class Upstream {
  readonly #kept = new WeakMap<Sandbox, Map<number, Connection[]>>();
  readonly #connections = new Set<Connection>();
  readonly #sweep: NodeJS.Timeout = setInterval(() => {
    const now = performance.now();
    for (const connection of this.#connections) {
      if (!connection.user && !connection.isFresh(now)) connection.socket.destroy();
    }
  }, sweepMs).unref();

  /** A connection that is free already; the one used last, which is the one that lives longest. */
  takeFree(sandbox: Sandbox, port: number): Connection | undefined {
    const kept = this.#kept.get(sandbox)?.get(port);
    for (;;) {
      const connection = kept?.pop();
      if (!connection || connection.isFresh(performance.now())) return connection;
      connection.socket.destroy();
    }
  }

  /** @throws PortClosedError, or the connection's error. */
  async open(sandbox: Sandbox, port: number): Promise<Connection> {
    const socket = await connectTo(sandbox, port);
    const connection = new Connection(socket, this.#keptOf(sandbox, port));
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    return connection;
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const { socket } of this.#connections) socket.destroy();
  }

  #keptOf(sandbox: Sandbox, port: number): Connection[] {
    const known = this.#kept.get(sandbox);
    const ports = known ?? new Map<number, Connection[]>();
    if (!known) {
      this.#kept.set(sandbox, ports);
      // Nothing is asked on them any more, and a server that ends in good order waits for what is open.
      sandbox.signal.addEventListener('abort', () => {
        for (const connection of [...ports.values()].flat()) connection.socket.destroy();
      });
    }
    const kept = ports.get(port) ?? [];
    ports.set(port, kept);
    return kept;
  }
}
