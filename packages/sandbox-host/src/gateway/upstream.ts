import { connect } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import type { Endpoint } from '../engines/engine.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { SandboxManager } from '../sandboxes/sandbox-manager.js';

/** How long a port may take to open: a server that was just started needs a moment. */
const dialMs = 1_000;
const dialPauseMs = 25;

/**
 * How long an unused connection is kept whose server did not say how long it would. Less than what servers have by
 * default: a request that meets the closing of its connection cannot be sent again.
 */
const idleMs = 1_000;

/** Nothing listens on the port. */
export class PortClosedError extends Error {}

const dials = new WeakMap<Sandbox, Map<number, Promise<Endpoint>>>();

/** Finds where a port of a sandbox is, waiting a moment for it to open: once for all who ask. @throws PortClosedError */
export function dial(sandbox: Sandbox, port: number): Promise<Endpoint> {
  const underWay = dials.get(sandbox) ?? new Map<number, Promise<Endpoint>>();
  dials.set(sandbox, underWay);
  let found = underWay.get(port);
  if (!found) {
    found = findPort(sandbox, port).finally(() => underWay.delete(port));
    underWay.set(port, found);
  }
  return found;
}

async function findPort(sandbox: Sandbox, port: number): Promise<Endpoint> {
  for (const deadline = performance.now() + dialMs; ; ) {
    const endpoint = await sandbox.engine.dial(port);
    if (endpoint) return endpoint;
    if (performance.now() >= deadline) throw new PortClosedError();
    await new Promise((resolve) => setTimeout(resolve, dialPauseMs));
  }
}

/** Under which origin {@link createUpstream}'s dispatcher knows a port of a sandbox. */
export function originOf(sandbox: Sandbox, port: number): string {
  return `http://${sandbox.id}:${port}`;
}

/**
 * Connections into sandboxes, kept for the next request. A port is looked up for a new connection only: one that is
 * there already leads to the process that accepted it, whoever has the port number by now.
 */
export function createUpstream(sandboxes: SandboxManager): Dispatcher {
  return new Agent({
    // Streams may be silent for as long as they like, and so may an agent that thinks.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: idleMs,
    pipelining: 1,
    connect({ hostname, port }, callback) {
      const sandbox = sandboxes.find(hostname);
      if (!sandbox) {
        callback(new PortClosedError(), null);
        return;
      }
      dial(sandbox, Number(port || 80)).then(
        (endpoint) => {
          const socket = connect({ ...endpoint, noDelay: true });
          socket.once('connect', () => {
            socket.off('error', fail);
            callback(null, socket);
          });
          const fail = (error: Error): void => callback(error, null);
          socket.once('error', fail);
        },
        (error: Error) => callback(error, null),
      );
    },
  });
}
