import { request } from 'node:http';
import { type BindRequest, bindPath } from '@sandpiper/protocol';
import type { Endpoint } from '@sandpiper/sandbox-engine/engine';
import { newToken } from '../sandboxes/identifiers.js';

/** An agent has nothing to do but this. */
const answerMs = 5_000;

/**
 * Whether an agent listens there that can be bound: asked with a wrong token, it says so. It has loaded by then what
 * it takes to look at one, which its next owner does not wait for.
 */
export async function isBindable(endpoint: Endpoint): Promise<boolean> {
  return (await post(endpoint, newToken(), {}).catch(() => 0)) === 401;
}

/** Tells an agent whose it is. @throws Error when it does not take it. */
export async function bindAgent(endpoint: Endpoint, token: string, binding: BindRequest): Promise<void> {
  const status = await post(endpoint, token, binding);
  if (status !== 204) throw new Error(`The agent answered ${status} to POST ${bindPath}.`);
}

function post(endpoint: Endpoint, token: string, binding: BindRequest): Promise<number> {
  const body = JSON.stringify(binding);
  return new Promise((resolve, reject) => {
    const call = request({
      ...endpoint,
      path: bindPath,
      method: 'POST',
      agent: false,
      signal: AbortSignal.timeout(answerMs),
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        authorization: `Bearer ${token}`,
      },
    });
    call.once('error', reject);
    call.once('response', (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    call.end(body);
  });
}
