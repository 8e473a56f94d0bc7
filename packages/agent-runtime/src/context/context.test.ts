import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest';
import { silent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { AgentRuntimeApp } from '../node/node-app.js';
import { AgentRuntimeContext } from './agent-runtime-context.js';
import type { RequestContext } from './request-context.js';

/** An agent that says what `look` sees in its context. */
function looking(look: (context: RequestContext) => unknown): AgentRuntimeApp {
  const app = new AgentRuntimeApp();
  app.entrypoint((_request, context) => look(context));
  return app;
}

describe('the context', () => {
  const ids: [string, Record<string, string>, unknown, object][] = [
    [
      'x-request-id',
      { 'x-request-id': 'a', 'x-amzn-bedrock-agentcore-runtime-request-id': 'b' },
      {},
      { r: 'a', i: 'a' },
    ],
    ["AgentCore's name", { 'x-amzn-bedrock-agentcore-runtime-request-id': 'b' }, {}, { r: 'b', i: 'b' }],
    ['a key', { 'x-request-id': 'a', 'idempotency-key': 'k' }, {}, { r: 'a', i: 'k' }],
    ['nothing', {}, {}, { r: expect.stringMatching(/^[0-9a-f-]{36}$/) }],
    [
      'x-sandbox-id',
      { 'x-sandbox-id': 's', 'x-amzn-bedrock-agentcore-runtime-session-id': 't' },
      { sandbox_id: 'u' },
      { s: 's', session: 's' },
    ],
    [
      "AgentCore's session",
      { 'x-amzn-bedrock-agentcore-runtime-session-id': 't' },
      { sandbox_id: 'u' },
      { s: 't' },
    ],
    ['the body', {}, { sandbox_id: 'u' }, { s: 'u' }],
    ['the environment', {}, { sandbox_id: 7 }, { s: 'from-env' }],
  ];
  for (const [what, headers, body, expected] of ids) {
    eachServer(`takes its ids from ${what}`, async (serve) => {
      vi.stubEnv('E2B_SANDBOX_ID', 'from-env');
      const app = looking((c) => ({
        r: c.requestId,
        i: c.invocationId,
        s: c.sandboxId,
        session: c.sessionId,
      }));
      const response = await (await serve(app))('/invocations', post(body, headers));
      const result = Object((await json(response)).result);
      vi.unstubAllEnvs();
      expect(result).toMatchObject(expected);
      expect(response.headers.get('x-request-id')).toBe(result.r);
      expect(response.headers.get('x-invocation-id')).toBe(result.i);
    });
  }

  eachServer('has the headers, without the credentials of the platform', async (serve) => {
    const app = looking((c) => ({
      ...c.headers,
      token: c.workloadAccessToken,
      url: c.oauth2CallbackUrl,
      t: c.traceparent,
      b: c.baggage,
    }));
    const headers = {
      'X-Mine': '1',
      cookie: 'secret=1',
      'e2b-traffic-access-token': 'secret',
      WorkloadAccessToken: 'w',
      OAuth2CallbackUrl: 'https://back',
      traceparent: '00-1-2-01',
      baggage: 'a=b',
    };
    const result = Object((await json(await (await serve(app))('/invocations', post({}, headers)))).result);
    expect(result).toMatchObject({
      'x-mine': '1',
      token: 'w',
      url: 'https://back',
      t: '00-1-2-01',
      b: 'a=b',
    });
    expect(JSON.stringify(result)).not.toContain('secret');
    expect(result.workloadaccesstoken).toBeUndefined();
  });

  eachServer(
    'is the current one everywhere under the handler, also while it streams, and never another',
    async (serve) => {
      const app = new AgentRuntimeApp();
      expectTypeOf(app.context).toEqualTypeOf<RequestContext | undefined>();
      const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
      app.entrypoint(async function* (_request, context) {
        for (let i = 0; i < 10; i++) {
          await wait();
          yield app.context === context && AgentRuntimeContext.getCurrentContext() === context;
        }
      });
      const send = await serve(app);
      const bodies = await Promise.all(
        Array.from({ length: 20 }, async () => (await send('/invocations', post({}))).text()),
      );
      for (const body of bodies) expect(body).toBe('data: true\n\n'.repeat(10));
      expect(app.context).toBeUndefined();
    },
  );

  test('can be set and cleared by hand', async () => {
    const app = looking((context) => context);
    let context: RequestContext | undefined;
    app.entrypoint((_request, given) => {
      context = given;
    });
    await app.fetch(new Request('http://agent/invocations', post({})));
    await Promise.resolve().then(() => {
      if (context) AgentRuntimeContext.setCurrentContext(context);
      expect(app.context).toBe(context);
      AgentRuntimeContext.clearCurrentContext();
      expect(app.context).toBeUndefined();
    });
  });
});

test('the deadline is a time of today, also when the clock was set after the process began', async () => {
  const app = new AgentRuntimeApp({ config: { timeoutMs: 60_000 } });
  app.entrypoint((_request, { deadline }) => deadline?.getTime());
  const setTo = Date.now() + 24 * 3_600_000;
  vi.spyOn(Date, 'now').mockReturnValue(setTo);
  onTestFinished(() => void vi.restoreAllMocks());
  const { result } = await json(await app.fetch(new Request('http://agent/invocations', post({}))));
  expect(Number(result)).toBeLessThanOrEqual(setTo + 60_000);
  expect(Number(result)).toBeGreaterThan(setTo + 30_000);
});

describe('the reason of the signal', () => {
  /** Answers with what its signal was aborted for. */
  const waiting = (seen: { name?: unknown }): AgentRuntimeApp => {
    const app = new AgentRuntimeApp({ config: { timeoutMs: 200 }, logger: silent });
    app.entrypoint(
      (_request, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            seen.name = signal.reason.name;
            resolve('ended');
          });
        }),
    );
    return app;
  };

  eachServer('is a TimeoutError at the deadline', async (serve) => {
    const seen: { name?: unknown } = {};
    const send = await serve(waiting(seen));
    expect((await send('/invocations', post({}))).status).toBe(504);
    expect(seen.name).toBe('TimeoutError');
  });

  eachServer('is an AbortError when the caller left', async (serve) => {
    const seen: { name?: unknown } = {};
    const send = await serve(waiting(seen));
    const caller = new AbortController();
    const answer = send('/invocations', { ...post({}), signal: caller.signal });
    setTimeout(() => caller.abort(), 50);
    await answer.catch(() => {});
    await vi.waitFor(() => expect(seen.name).toBe('AbortError'), 15_000);
  });

  test('is an AbortError too where the platform gives a text for a reason', async () => {
    const seen: { name?: unknown } = {};
    const app = waiting(seen);
    await app.fetch(new Request('http://agent/ping'));
    const caller = new AbortController();
    const answer = app.fetch(new Request('http://agent/invocations', { ...post({}), signal: caller.signal }));
    // As @hono/node-server does.
    setTimeout(() => caller.abort('Error: aborted'), 20);
    await answer;
    await vi.waitFor(() => expect(seen.name).toBe('AbortError'), 15_000);
  });
});
