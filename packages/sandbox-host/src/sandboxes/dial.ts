import { connect, type Socket } from 'node:net';
import type { Endpoint } from '@sandpiper/sandbox-engine/engine';

/** How long {@link accepts} waits: the network of a sandbox that is ending does not respond at all. */
const acceptsTimeoutMs = 5_000;

/**
 * Connects to a port of a sandbox.
 *
 * @returns undefined where nothing listens.
 * @throws Error for any other failure, or after the timeout.
 */
export function dial(endpoint: Endpoint, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...endpoint, noDelay: true, timeout: timeoutMs });
    const failed = (error: NodeJS.ErrnoException): void => {
      socket.destroy();
      if (error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(error);
    };
    const late = (): void => failed(new Error(`The port did not respond within ${timeoutMs} ms.`));
    socket.once('error', failed);
    socket.once('timeout', late);
    socket.once('connect', () => {
      socket.off('error', failed).off('timeout', late).setTimeout(0);
      resolve(socket);
    });
  });
}

/** Connects to a server to see whether it is ready; undefined where nothing takes connections. */
export async function dialReady(endpoint: Endpoint | undefined): Promise<Socket | undefined> {
  return endpoint && dial(endpoint, acceptsTimeoutMs).catch(() => undefined);
}

/** Whether something takes connections there. */
export async function accepts(endpoint: Endpoint | undefined): Promise<boolean> {
  const socket = await dialReady(endpoint);
  socket?.destroy();
  return socket !== undefined;
}
