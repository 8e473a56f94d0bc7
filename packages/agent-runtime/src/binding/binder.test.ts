import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { agent } from '../../test/agent.js';
import { eachServer, json, post, type Send, type Serve } from '../../test/each-server.js';
import { AgentRuntimeApp } from '../node/node-app.js';
import type { Binding } from './binder.js';

const token = 'a-token-of-the-pool';

afterEach(() => vi.unstubAllEnvs());

/** An agent that waits in a pool, and answers with what it finds in its environment. */
function pooled(): AgentRuntimeApp {
  vi.stubEnv('AGENT_RUNTIME_BIND_TOKEN', token);
  // So that what is bound here is taken away with the stubs.
  for (const name of ['BOUND_SECRET', 'E2B_SANDBOX_ID']) vi.stubEnv(name, '');
  return agent((_, { sandboxId }) => [process.env.BOUND_SECRET, sandboxId]);
}

function bind(send: Send, body: unknown, shown = token): Promise<Response> {
  return send('/bind', post(body, { authorization: `Bearer ${shown}` }));
}

const binding = { sandbox_id: 'sbx-1', env: { BOUND_SECRET: 's3cret' }, metadata: { team: 'red' } };

describe('an agent that waits in a pool', () => {
  eachServer('answers its ping and nothing else', async (serve) => {
    const app = pooled();
    app.hono.get('/version', (c) => c.text('7'));
    const send = await serve(app);
    expect((await send('/ping')).status).toBe(200);
    for (const path of ['/', '/metrics', '/version', '/nowhere']) expect((await send(path)).status).toBe(503);
    const refused = await send('/invocations', post({}));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await json(refused)).toMatchObject({ error_type: 'unavailable' });
  });

  eachServer(
    'has its environment, its id and its hooks run when it is bound, and serves then',
    async (serve) => {
      const app = pooled();
      const seen: [Binding, string | undefined][] = [];
      app.onBind(async (given) => void seen.push([given, process.env.BOUND_SECRET]));
      const send = await serve(app);
      const bound = await bind(send, binding);
      expect([bound.status, await bound.text()]).toEqual([204, '']);
      const { env, metadata } = binding;
      expect(seen).toEqual([[{ sandboxId: 'sbx-1', env, metadata }, 's3cret']]);
      expect(await json(await send('/invocations', post({})))).toMatchObject({ result: ['s3cret', 'sbx-1'] });
    },
  );

  eachServer('is bound once, and refuses every later request', async (serve) => {
    const app = pooled();
    const hook = vi.fn(() => new Promise<void>((resolve) => setTimeout(resolve, 20)));
    app.onBind(hook);
    const send = await serve(app);
    const answers = await Promise.all([bind(send, binding), bind(send, binding)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
    const again = await bind(send, { env: { BOUND_SECRET: 'other' } });
    expect([again.status, await json(again)]).toMatchObject([409, { error_type: 'already_bound' }]);
    expect([hook.mock.calls.length, process.env.BOUND_SECRET]).toEqual([1, 's3cret']);
  });

  eachServer('refuses who has not its token, and what is no binding, and waits on', async (serve) => {
    const send = await serve(pooled());
    expect((await send('/bind', post(binding))).status).toBe(401);
    expect((await bind(send, binding, 'a-token-of-another')).status).toBe(401);
    expect((await send('/bind')).status).toBe(405);
    for (const wrong of [
      [],
      { secret: 1 },
      { env: { A: 1 } },
      { env: { 'A=B': '' } },
      { env: { A: '\0' } },
    ]) {
      const refused = await bind(send, wrong);
      expect([refused.status, await json(refused)]).toMatchObject([400, { error_type: 'ValidationError' }]);
    }
    expect((await send('/invocations', post({}))).status).toBe(503);
    expect((await bind(send, {})).status).toBe(204);
    expect((await send('/invocations', post({}))).status).toBe(200);
  });

  eachServer('serves nobody when a hook fails: it may have half of what it needs', async (serve) => {
    const app = pooled();
    app.onBind(() => Promise.reject(new RangeError('no model')));
    const send = await serve(app);
    const failed = await bind(send, binding);
    expect([failed.status, await json(failed)]).toMatchObject([500, { error: 'no model' }]);
    expect((await bind(send, binding)).status).toBe(409);
    expect((await send('/invocations', post({}))).status).toBe(503);
  });

  eachServer('asks for its token whatever else is asked of callers', async (serve) => {
    vi.stubEnv('AGENT_RUNTIME_AUTH_TOKEN', 'of-callers');
    const app = pooled();
    app.middleware(() => new Response('never', { status: 418 }));
    const send = await serve(app);
    expect((await bind(send, binding, 'of-callers')).status).toBe(401);
    expect((await bind(send, binding)).status).toBe(204);
    expect((await send('/invocations', post({}))).status).toBe(401);
    expect((await send('/invocations', post({}, { authorization: 'Bearer of-callers' }))).status).toBe(418);
  });

  test('does not hand its token on to what it starts', () => {
    pooled();
    expect(process.env).not.toHaveProperty('AGENT_RUNTIME_BIND_TOKEN');
  });

  test('opens no WebSocket until it is bound', async () => {
    await using app = pooled();
    app.websocket((socket) => socket.close(4000));
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    const knock = (): Promise<unknown> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
        socket.on('error', ({ message }) => resolve(message)).on('close', resolve);
      });
    expect(await knock()).toMatch('503');
    const send: Send = (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init);
    expect((await bind(send, {})).status).toBe(204);
    expect(await knock()).toBe(4000);
  });
});

eachServer('an agent of no pool has nowhere to be bound, and serves at once', async (serve: Serve) => {
  const app = new AgentRuntimeApp();
  app.entrypoint((request) => request);
  const send = await serve(app);
  expect((await bind(send, binding)).status).toBe(404);
  expect((await send('/invocations', post({}))).status).toBe(200);
});
