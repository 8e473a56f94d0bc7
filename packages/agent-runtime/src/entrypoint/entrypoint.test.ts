import { describe, expect, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import { decorated } from '../../test/compile-decorated.js';
import { eachServer, json, post } from '../../test/each-server.js';
import type { RequestContext } from '../context/request-context.js';
import { AgentRuntimeApp } from '../node/node-app.js';

async function invoke(app: AgentRuntimeApp, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await app.fetch(new Request('http://agent/invocations', post(body)));
  return { status: response.status, body: await response.json() };
}

describe('entrypoint', () => {
  test('gives back the function it was given', () => {
    const app = new AgentRuntimeApp();
    const handler = async (request: { a: number }, _context: RequestContext): Promise<number> => request.a;
    const same = app.entrypoint(handler);
    expect(same).toBe(handler);
    expectTypeOf(same).toEqualTypeOf(handler);
    const { entrypoint } = app;
    expect(entrypoint(handler)).toBe(handler);
  });

  test('gives back a function of the same type, so that its author can call it', async () => {
    const { entrypoint } = new AgentRuntimeApp();
    expect(entrypoint((request: { a: 1 }) => request.a)({ a: 1 })).toBe(1);
    expect(entrypoint(() => 'nothing asked')()).toBe('nothing asked');
    const streaming = entrypoint(async function* (request: { prompt: string }) {
      yield request.prompt;
    });
    expect(await streaming({ prompt: 'Hello' }).next()).toEqual({ value: 'Hello', done: false });
    const plain = entrypoint((request) => request.prompt);
    expectTypeOf(plain).returns.toEqualTypeOf<string | undefined>();
    const checked = entrypoint({ input: z.object({ city: z.string() }) }, ({ city }) => city.trim());
    expect(checked({ city: ' Oslo ' })).toBe('Oslo');
    const named = entrypoint<{ city: string }>((request) => request.city);
    expectTypeOf(named).parameter(0).toEqualTypeOf<{ city: string }>();
    // @ts-expect-error: the schema makes no number.
    entrypoint({ input: z.object({ city: z.string() }) }, (request: { city: number }) => request.city);
    // @ts-expect-error: the second argument is the context.
    entrypoint((_request: string, count: number) => count);
  });

  test('types a request that says nothing of its type as the conventional one', () => {
    new AgentRuntimeApp().entrypoint((request, context) => {
      expectTypeOf(request.prompt).toEqualTypeOf<string | undefined>();
      expectTypeOf(context).toEqualTypeOf<RequestContext>();
    });
  });

  test('hands on what its input schema makes of the request, typed', async () => {
    const app = new AgentRuntimeApp();
    const input = z.object({ city: z.string().trim(), days: z.number().default(3) });
    const handler = app.entrypoint({ input }, (request) => {
      expectTypeOf(request).toEqualTypeOf<{ city: string; days: number }>();
      return `${request.city} ${request.days}`;
    });
    expectTypeOf(handler).returns.toEqualTypeOf<string>();
    expect(await invoke(app, { city: ' Oslo ' })).toMatchObject({ status: 200, body: { result: 'Oslo 3' } });
  });

  eachServer('refuses what its input schema refuses, and says where', async (serve) => {
    const app = new AgentRuntimeApp();
    app.entrypoint({ input: z.object({ city: z.string(), at: z.array(z.number()) }) }, () => 1);
    const response = await (await serve(app))('/invocations', post({ at: [1, 'x'] }));
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({
      status: 'error',
      error: expect.stringContaining('at.1'),
      error_type: 'ValidationError',
      details: [{ path: ['city'] }, { path: ['at', 1] }],
    });
  });

  test('takes any Standard Schema, asynchronous too', async () => {
    const app = new AgentRuntimeApp();
    app.entrypoint(
      {
        input: {
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: async (value) =>
              value === 1 ? { value: 'one' } : { issues: [{ message: 'not one', path: [{ key: 'k' }] }] },
          },
        },
      },
      (request) => {
        expectTypeOf(request).toEqualTypeOf<string>();
        return request;
      },
    );
    expect(await invoke(app, 1)).toMatchObject({ body: { result: 'one' } });
    expect(await invoke(app, 2)).toMatchObject({
      status: 400,
      body: { details: [{ path: ['k'], message: 'not one' }] },
    });
  });

  test('decorates a method, whose instance is then its this', async () => {
    const app = new AgentRuntimeApp();
    const Counter = (await decorated()).counter(app);
    expect(await invoke(app, {})).toMatchObject({ status: 500 });
    const instance = new Counter();
    expect(await invoke(app, { by: 2 })).toMatchObject({
      body: { result: expect.stringMatching(/^42 for .+/) },
    });
    expect(instance.count).toBe(42);
  });

  test('decorates methods of no, one and two parameters, with an input schema and without', async () => {
    const app = new AgentRuntimeApp();
    const classes = (await decorated()).everyArity(app, z.object({ a: z.number() }));
    for (const [result, Class] of Object.entries(classes)) {
      new Class();
      expect(await invoke(app, { a: 2 })).toMatchObject({ status: 200, body: { result } });
    }
  });

  test('decorates a method with an input schema', async () => {
    const app = new AgentRuntimeApp();
    const Greeter = (await decorated()).greeter(app, z.object({ name: z.string() }));
    new Greeter();
    const response = await app.fetch(new Request('http://agent/invocations', post({ name: 'Ada' })));
    expect(await response.text()).toBe('data: "Hello Ada"\n\n');
    expect(await invoke(app, {})).toMatchObject({ status: 400 });
  });
});
