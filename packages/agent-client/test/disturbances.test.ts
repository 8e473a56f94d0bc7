// What comes between a client and its sandboxes, on a real host.

import { createServer, type IncomingHttpHeaders, request as send } from 'node:http';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen } from './support/agent-server.js';
import { type Asked, controlPlaneBefore } from './support/control-plane.js';
import {
  agentMetadata,
  bundleAgent,
  commandsAgent,
  startPlatform,
  type TestPlatform,
} from './support/platform.js';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
  const content = await bundleAgent(commandsAgent);
  await platform.deploy('commands', { file: 'agent.mjs', content, metadata: agentMetadata('agent.mjs') });
}, 120_000);
afterAll(() => platform?.host.close());

/** A control plane that does not kill while it is told not to, and tells what it was asked. */
async function stubborn(): Promise<{ apiUrl: string; spare: boolean; asked: Asked[] }> {
  const state = { apiUrl: '', spare: true, asked: [] as Asked[] };
  state.apiUrl = await controlPlaneBefore(platform.host.apiUrl, (one, ask) => {
    state.asked.push(one);
    if (!state.spare || one.method !== 'DELETE') return ask();
    return { status: 500, body: { code: 500, message: `cannot do that for ${platform.host.apiKey}` } };
  });
  return state;
}

describe('a sandbox that the platform does not kill', () => {
  test('is logged without the key, told of by reap, and killed by a later one', async () => {
    const plane = await stubborn();
    const logged: unknown[] = [];
    const client = platform.open({
      apiUrl: plane.apiUrl,
      config: { logger: pino({}, { write: (line: string) => logged.push(line) }) },
    });
    const making = client.createSession('commands', { config: { memoryLimit: '900Gi' } });
    await expect(making).rejects.toMatchObject({ name: 'SandboxCreationError' });
    expect(JSON.stringify(logged)).toContain('could not be killed');
    expect(JSON.stringify(logged)).not.toContain(platform.host.apiKey);
    const [told, ...others] = await client.reap();
    expect(told).toMatchObject({ killed: false, error: { name: 'SandboxOperationError' } });
    expect(others).toEqual([]);
    plane.spare = false;
    expect(await client.reap()).toEqual([{ sandboxId: told?.sandboxId, killed: true }]);
    expect(await client.reap()).toEqual([]);
    expect(await client.listSessions()).toEqual([]);
  });

  test('is reported by closeAllSessions, and its session is not closed', async () => {
    const plane = await stubborn();
    const client = platform.open({ apiUrl: plane.apiUrl });
    const { sandboxId } = await client.createSession('commands');
    expect(await client.closeAllSessions()).toMatchObject([
      { sandboxId, closed: false, error: { name: 'SandboxOperationError' } },
    ]);
    plane.spare = false;
    expect(await client.closeAllSessions()).toEqual([{ sandboxId, closed: true }]);
  });
});

test('a sandbox that was paused elsewhere is resumed once for however many callers', async () => {
  const plane = await stubborn();
  plane.spare = false;
  const session = await platform.open({ apiUrl: plane.apiUrl }).createSession('commands');
  await (await platform.open().getSession(session.sandboxId)).pause();
  await Promise.all(Array.from({ length: 8 }, () => session.invoke('x')));
  expect(plane.asked.filter(({ path }) => path.endsWith('/connect'))).toHaveLength(1);
});

interface Seen {
  path: string;
  headers: IncomingHttpHeaders;
}

/** A server before another one that takes down what it is asked. */
async function recorded(origin: string): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    seen.push({ path: url, headers });
    const passed = send(origin + url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    request.pipe(passed);
  });
  return { url: await listen(server), seen };
}

test('PPIO is asked as its own client asks, with the key as a bearer token too, and E2B is not', async () => {
  const { apiUrl, apiKey } = platform.host;
  for (const domain of ['sandbox.ppio.cn', 'e2b.app']) {
    const plane = await recorded(apiUrl);
    const client = platform.open({ apiUrl: plane.url, domain });
    await client.listTemplates();
    await client.createSession('commands');
    expect(plane.seen.length).toBeGreaterThan(2);
    for (const { headers } of plane.seen) {
      expect(headers['x-api-key']).toBe(apiKey);
      expect(headers.authorization).toBe(domain === 'e2b.app' ? undefined : `Bearer ${apiKey}`);
    }
  }
});

test.each([
  ['its sandbox’s id', undefined],
  ['its own name', 'conversation 7 of Jürgen'],
])('an agent of AgentCore gets a session header, made of %s', async (_, runtimeSessionId) => {
  const { url, seen } = await recorded(platform.host.sandboxUrl);
  const client = platform.open({ sandboxUrl: url });
  const session = await client.createSession('commands', { runtimeSessionId });
  await session.invoke('x');
  const header = seen.find(({ path }) => path === '/invocations')?.headers[
    'x-amzn-bedrock-agentcore-runtime-session-id'
  ];
  expect(String(header).length).toBeGreaterThanOrEqual(33);
  expect(header).toContain(runtimeSessionId ? encodeURIComponent(runtimeSessionId) : session.sandboxId);
});

test.each(['sandbox.ppio.cn', 'e2b.app'])(
  'nothing but the control plane of %s is sent the key, and the agent is started with no end to its time',
  async (domain) => {
    const { sandboxUrl, apiKey } = platform.host;
    const { url, seen } = await recorded(sandboxUrl);
    const client = platform.open({ sandboxUrl: url, domain });
    const session = await client.createSession('commands');
    await session.invoke('x');
    await session.pause();
    await session.invoke('x');
    expect(seen.some(({ path }) => path === '/invocations')).toBe(true);
    expect(JSON.stringify(seen)).not.toContain(apiKey);
    const started = seen.filter(({ path }) => path.endsWith('/Start'));
    expect(started).toHaveLength(1);
    expect(started[0]?.headers['connect-timeout-ms'] ?? '0').toBe('0');
  },
);

describe('a stream', () => {
  const expected = Array.from({ length: 40 }, (_, i) => i + 1);

  test('whose sandbox is paused in its middle goes on when that is resumed, each value once', async () => {
    const session = await platform.open().createSession('commands');
    const values: unknown[] = [];
    for await (const value of session.stream({ prompt: 'count', n: 40, ms: 20 })) {
      values.push(value);
      if (value !== 5) continue;
      expect(await session.pause()).toBe(true);
      expect(await session.resume()).toBe(true);
    }
    expect(values).toEqual(expected);
    expect((await session.invoke('runs')).result).toBe(1);
  });

  test('whose sandbox is killed in its middle fails, and is not passed off as whole', async () => {
    const session = await platform.open({ config: { retryDelayMs: 10 } }).createSession('commands');
    const elsewhere = platform.open();
    const reading = (async () => {
      for await (const value of session.stream({ prompt: 'count', n: 1_000, ms: 20 })) {
        if (value === 5) await elsewhere.closeSession(session.sandboxId);
      }
    })();
    const error = await reading.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ sandboxId: session.sandboxId });
    // The host lets the agent end first, which then says so itself; one that has no time for it is cut.
    const { name, errorType = name } = Object(error);
    expect(['ShutdownError', 'StreamInterruptedError', 'SessionNotFoundError']).toContain(errorType);
    expect(await session.getStatus()).toBe('closed');
  });

  test('whose agent ends in its middle is interrupted, and nothing runs again', async () => {
    const session = await platform
      .open({ config: { retryDelayMs: 10, maxRetries: 2 } })
      .createSession('commands');
    const reading = (async () => {
      for await (const value of session.stream({ prompt: 'count', n: 1_000, ms: 20 })) {
        if (value === 5) await session.invoke('exit').catch(() => undefined);
      }
    })();
    await expect(reading).rejects.toMatchObject({ name: 'StreamInterruptedError', outcome: 'unknown' });
  });
});

describe('what an agent answers', () => {
  test('is refused by a schema that asks for something else, whole or value by value', async () => {
    const { z } = await import('zod');
    const session = await platform.open().createSession('commands');
    const output = z.object({ prompt: z.number() });
    await expect(session.invoke('x', { output })).rejects.toMatchObject({
      name: 'ValidationError',
      issues: [{ path: ['prompt'] }],
      message: expect.stringContaining('prompt'),
    });
    const small = z.number().max(2);
    const values: number[] = [];
    const reading = (async () => {
      for await (const value of session.stream({ prompt: 'count', n: 3 }, { output: small }))
        values.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ name: 'ValidationError' });
    expect(values).toEqual([1, 2]);
  });
});
