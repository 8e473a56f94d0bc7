import { AgentClientError } from '../errors/agent-client-error.js';
import { FetchTransport } from './fetch-transport.js';
import type { Transport, TransportOptions, TransportRequest, TransportResponse } from './transport.js';
import { UndiciTransport } from './undici-transport.js';

/** A transport that comes into being with its first request, so that a client that calls nothing opens nothing. */
export function createTransport(options: TransportOptions): Transport {
  let opened: Promise<Transport> | undefined;
  let closed = false;
  return {
    async request(request: TransportRequest): Promise<TransportResponse> {
      if (closed) throw new AgentClientError('The client is closed.');
      opened ??= open(options);
      return (await opened).request(request);
    },
    async close(): Promise<void> {
      closed = true;
      await (await opened)?.close();
    },
  };
}

async function open(options: TransportOptions): Promise<Transport> {
  try {
    // Named by a variable, so that a bundler for a browser or a worker does not follow it into Node's own modules.
    const name = 'undici';
    const undici: typeof import('undici') = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
    // Bun answers with a module of its own, whose agents cannot send anything.
    if (typeof undici.Agent.prototype.dispatch === 'function')
      return new UndiciTransport(undici.Agent, options);
  } catch {
    // No undici here.
  }
  return new FetchTransport();
}
