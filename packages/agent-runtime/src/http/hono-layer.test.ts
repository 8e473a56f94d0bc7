import { secureHeaders } from 'hono/secure-headers';
import { describe, expect } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';

describe('app.hono', () => {
  eachServer('puts middleware and routes of Hono before those of the agent', async (serve) => {
    const app = agent((request) => request);
    app.hono.use(secureHeaders());
    app.hono.get('/version', (c) => c.text('7'));
    const send = await serve(app);
    expect(await (await send('/version')).text()).toBe('7');
    const response = await send('/invocations', post({ a: 1 }));
    expect(await json(response)).toMatchObject({ result: { a: 1 } });
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('x-request-id')).toBeTruthy();
    expect((await send('/nowhere')).status).toBe(404);
  });

  eachServer('leaves errors as they are', async (serve) => {
    const app = agent(() => {
      throw Object.assign(new RangeError('far'), { status: 418 });
    });
    app.hono.use(async (_c, next) => next());
    const response = await (await serve(app))('/invocations', post({}));
    expect([response.status, (await json(response)).error_type]).toEqual([418, 'RangeError']);
  });

  eachServer('keeps concurrent requests apart', async (serve) => {
    const app = agent((request) => request);
    app.hono.use(async (_c, next) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      await next();
    });
    const send = await serve(app);
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, id) => (await json(await send('/invocations', post(id)))).result),
    );
    expect(results).toEqual(Array.from({ length: 20 }, (_, id) => id));
  });
});
