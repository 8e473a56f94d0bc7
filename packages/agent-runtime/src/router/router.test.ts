import { request } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { agent, silent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import type { RuntimeConfig } from '../config.js';
import type { Middleware } from '../http/middleware.js';
import { AgentRuntimeApp } from '../node/node-app.js';

function echo(config: RuntimeConfig = {}): AgentRuntimeApp {
  const app = new AgentRuntimeApp({ config, logger: silent });
  app.entrypoint((request) => request);
  return app;
}

describe('routes', () => {
  eachServer('the root says what this is', async (serve) => {
    const response = await (await serve(echo()))('/');
    expect(await json(response)).toEqual({
      service: 'sandpiper-agent-runtime',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      endpoints: expect.arrayContaining(['/invocations', '/ping', '/']),
    });
  });

  eachServer('an unknown path is a 404', async (serve) => {
    const send = await serve(echo());
    for (const path of ['/nothing', '/invocations/', '/__proto__', '/constructor', '//']) {
      const response = await send(path);
      expect([response.status, (await json(response)).error_type]).toEqual([404, 'not_found']);
    }
  });

  eachServer('a wrong method is a 405 that says which are right', async (serve) => {
    const send = await serve(echo());
    const get = await send('/invocations');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    const put = await send('/ping', { method: 'PUT' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  eachServer('HEAD is GET without a body', async (serve) => {
    const response = await (await serve(echo()))('/ping', { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  eachServer('a query changes nothing', async (serve) => {
    expect((await (await serve(echo()))('/invocations?a=1', post({}))).status).toBe(200);
  });

  eachServer('every answer says which request and which process it is of', async (serve) => {
    const send = await serve(echo());
    const instances = new Set<string | null>();
    for (const [path, init] of [['/ping'], ['/nope'], ['/invocations', post({})]] as const) {
      const response = await send(path, { ...init, headers: { 'x-request-id': 'r' } });
      expect(response.headers.get('x-request-id')).toBe('r');
      instances.add(response.headers.get('x-runtime-instance'));
    }
    expect(instances.size).toBe(1);
    const another = await echo().fetch(new Request('http://agent/ping'));
    expect(instances).not.toContain(another.headers.get('x-runtime-instance'));
  });
});

describe('a browser', () => {
  const page = { origin: 'https://page.example' };

  eachServer('may call from anywhere by default', async (serve) => {
    const send = await serve(echo());
    const response = await send('/invocations', post({}, page));
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-expose-headers')).toContain('x-invocation-id');
    const preflight = await send('/invocations', {
      method: 'OPTIONS',
      headers: {
        ...page,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-a, x-b',
      },
    });
    expect([preflight.status, await preflight.text()]).toEqual([204, '']);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('x-a, x-b');
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
  });

  eachServer('may call from the origins that are named only', async (serve) => {
    const send = await serve(echo({ corsOrigins: ['https://page.example'] }));
    const allowed = await send('/ping', { headers: page });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://page.example');
    expect(allowed.headers.get('vary')).toBe('origin');
    const other = await send('/ping', { headers: { origin: 'https://other.example' } });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    expect(other.headers.get('vary')).toBe('origin');
  });
});

describe('middleware', () => {
  eachServer('runs in the order of its registration, around the handler', async (serve) => {
    const app = echo();
    const order: string[] = [];
    for (const name of ['first', 'second']) {
      app.middleware(async (_request, next) => {
        order.push(name);
        const response = await next();
        response.headers.append('x-seen', name);
        return response;
      });
    }
    const response = await (await serve(app))('/invocations', post({ a: 1 }, { 'x-request-id': 'r' }));
    expect(await json(response)).toMatchObject({ result: { a: 1 }, metadata: { request_id: 'r' } });
    expect(order).toEqual(['first', 'second']);
    expect(response.headers.get('x-seen')).toBe('second, first');
    expect(response.headers.get('x-request-id')).toBe('r');
  });

  eachServer('may answer itself, or change the request', async (serve) => {
    const app = echo();
    app.middleware((request, next) =>
      request.headers.get('x-no')
        ? new Response('no', { status: 418 })
        : next(new Request(request, { body: '"other"' })),
    );
    const send = await serve(app);
    expect((await send('/invocations', post({}, { 'x-no': '1' }))).status).toBe(418);
    expect(await json(await send('/invocations', post({})))).toMatchObject({ result: 'other' });
  });

  eachServer(
    'sees what the handler throws as an exception, and what it throws itself is answered',
    async (serve) => {
      const app = new AgentRuntimeApp({ logger: silent });
      app.entrypoint((request) => {
        throw new RangeError(String(request));
      });
      app.middleware(async (request, next) => {
        try {
          return await next(request);
        } catch (error) {
          if (error instanceof RangeError && error.message === 'mine') return new Response('caught');
          throw Object.assign(new TypeError('from the middleware'), { status: 409 });
        }
      });
      const send = await serve(app);
      expect(await (await send('/invocations', post('mine'))).text()).toBe('caught');
      const other = await send('/invocations', post('other'));
      expect([other.status, (await json(other)).error]).toEqual([409, 'from the middleware']);
    },
  );

  eachServer('that returns an error of the network is a 500', async (serve) => {
    const app = agent(() => 1);
    app.middleware(() => Response.error());
    const response = await (await serve(app))('/invocations', post({}));
    expect([response.status, (await json(response)).error]).toEqual([
      500,
      expect.stringContaining('Response.error()'),
    ]);
  });

  eachServer('that returns nothing is a 500, which is logged, and the agent goes on', async (serve) => {
    const logged: unknown[] = [];
    const app = new AgentRuntimeApp({
      logger: { ...silent, error: (...line: unknown[]) => logged.push(line) },
    });
    app.entrypoint(() => 'answer');
    const forgetful = async (request: Request, next: (request: Request) => Promise<Response>) => {
      const response = await next(request);
      if (!request.headers.has('x-forget')) return response;
    };
    app.middleware(forgetful as Middleware);
    const send = await serve(app);
    const response = await send('/invocations', post({}, { 'x-forget': '1' }));
    expect([response.status, await json(response)]).toMatchObject([
      500,
      { status: 'error', error: expect.stringContaining('A middleware returned no Response') },
    ]);
    expect(logged).toMatchObject([
      [{ error: expect.stringContaining('A middleware returned no Response') }, expect.any(String)],
    ]);
    expect((await send('/invocations', post({}))).status).toBe(200);
  });

  eachServer('lets streams through as they come', async (serve) => {
    const app = new AgentRuntimeApp({ logger: silent });
    let finished = false;
    app.entrypoint(async function* (_request, { signal }) {
      try {
        yield 1;
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      } finally {
        finished = true;
      }
    });
    app.middleware((request, next) => next(request));
    const response = await (await serve(app))('/invocations', post({}));
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1\n\n');
    await reader?.cancel();
    await expect.poll(() => finished, { timeout: 15_000 }).toBe(true);
  });
});

test('TRACE is a 405 behind a middleware too', async () => {
  const app = echo();
  onTestFinished(() => app.close());
  app.middleware((incoming, next) => next(incoming));
  const { port } = await app.run({ port: 0, host: '127.0.0.1' });
  const status = await new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path: '/ping', method: 'TRACE' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(405);
});

test('an address that is taken is refused', async () => {
  const first = echo();
  const { port } = await first.run({ port: 0, host: '127.0.0.1' });
  await expect(echo().run({ port, host: '127.0.0.1' })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await first.close();
  await first.close();
});
