import { connect, type Socket } from 'node:net';
import type { Endpoint } from '@sandpiper/sandbox-engine/engine';

/** The network of a sandbox that ends meanwhile answers nothing, not even no. */
const patienceMs = 5_000;

/** Connects to a server; undefined where nothing takes connections. */
export function connectTo(endpoint: Endpoint | undefined): Promise<Socket | undefined> {
  if (!endpoint) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = connect({ ...endpoint, noDelay: true, timeout: patienceMs });
    const fail = (): void => {
      socket.destroy();
      resolve(undefined);
    };
    socket.once('connect', () => resolve(socket));
    socket.once('timeout', fail);
    socket.once('error', fail);
  });
}

/** Whether something takes connections there. */
export async function accepts(endpoint: Endpoint | undefined): Promise<boolean> {
  const socket = await connectTo(endpoint);
  socket?.destroy();
  return socket !== undefined;
}
