import { Agent } from 'undici';
import { onTestFinished, test } from 'vitest';
import type { AgentRuntimeApp } from '../src/node/node-app.js';

/** Sends a request to the agent under test. */
export type Send = (path: string, init?: RequestInit) => Promise<Response>;

/** Opens an app for requests; it is closed when the test ends. */
export type Serve = (app: AgentRuntimeApp) => Promise<Send>;

const servers: Record<string, Serve> = {
  'in memory': async (app) => {
    onTestFinished(() => app.close());
    return (path, init) => app.fetch(new Request(`http://agent${path}`, init));
  },
  'on a socket': async (app) => {
    onTestFinished(() => app.close());
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    // An orderly stop waits half a second for connections that are kept open; no test needs them any more.
    const dispatcher = new Agent();
    onTestFinished(() => dispatcher.destroy());
    return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, { ...init, dispatcher } as object);
  },
};

/** Registers the same test for each way to reach an app: `app.fetch` and a listening server. */
export function eachServer(name: string, run: (serve: Serve) => Promise<void>): void {
  // The quick run starts no server.
  const isUnit = process.env.SANDPIPER_TESTS === 'unit';
  for (const [server, serve] of Object.entries(servers))
    test.skipIf(isUnit && server !== 'in memory')(`${name} (${server})`, () => run(serve));
}

/** `POST /invocations` with a JSON body. */
export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers };
}

/** The body of an answer: JSON, and an object. */
export async function json(response: Response): Promise<Record<string, unknown>> {
  return Object(await response.json());
}
