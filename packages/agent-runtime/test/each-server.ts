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
    return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init);
  },
};

/** Registers the same test for each way to reach an app: `app.fetch` and a listening server. */
export function eachServer(name: string, run: (serve: Serve) => Promise<void>): void {
  for (const [server, serve] of Object.entries(servers)) test(`${name} (${server})`, () => run(serve));
}

/** `POST /invocations` with a JSON body. */
export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers };
}

/** The body of an answer: JSON, and an object. */
export async function json(response: Response): Promise<Record<string, unknown>> {
  return Object(await response.json());
}
