import { connect } from 'node:net';
import type { Endpoint } from '../engines/engine.js';

/** The network of a sandbox that ends meanwhile answers nothing, not even no. */
const patienceMs = 5_000;

/** Whether something takes connections there. */
export function accepts(endpoint: Endpoint | undefined): Promise<boolean> {
  if (!endpoint) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ ...endpoint, timeout: patienceMs });
    const answer = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(false));
    socket.once('error', () => answer(false));
  });
}
