import { describe, expect, test, vi } from 'vitest';
import { agent, silent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { eventually } from '../../test/eventually.js';
import { AgentRuntimeApp } from '../node/node-app.js';

/** A promise that the test settles. */
function pending<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let settle: { resolve: (value: T) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, resolve: (value) => settle?.resolve(value), reject: (error) => settle?.reject(error) };
}

describe('background work', () => {
  eachServer('outlives the answer, and keeps the agent busy', async (serve) => {
    const { promise, resolve } = pending<void>();
    const send = await serve(
      agent((_, context) => {
        context.waitUntil(promise);
        return 'answered';
      }),
    );
    expect(await json(await send('/invocations', post({})))).toMatchObject({ result: 'answered' });
    expect(await json(await send('/ping'))).toMatchObject({ status: 'HealthyBusy' });
    resolve();
    await eventually(async () =>
      expect(await json(await send('/ping'))).toMatchObject({ status: 'Healthy' }),
    );
  });

  test('is listed while it runs, and gives what it makes', async () => {
    const app = agent(() => 1);
    const { promise, resolve } = pending<number>();
    const result = app.task('index', () => promise);
    expect(app.tasks).toEqual([{ name: 'index', startedAt: expect.any(Date) }]);
    resolve(7);
    expect(await result).toBe(7);
    await eventually(() => expect(app.tasks).toEqual([]));
    await app.close();
  });

  test('that fails is logged with the ids of its request, and ends nothing else', async () => {
    const error = vi.fn();
    const app = new AgentRuntimeApp({ logger: { ...silent, error } });
    app.entrypoint((_, context) => context.waitUntil(Promise.reject(new Error('lost'))));
    await app.fetch(new Request('http://agent/invocations', post({}, { 'x-request-id': 'r' })));
    await eventually(() => expect(error).toHaveBeenCalled());
    expect(error.mock.calls[0]?.[0]).toMatchObject({ request_id: 'r', error: 'lost' });
    await expect(
      app.task('sync', () => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    await app.close();
  });

  test('is waited for by closing, and stopped after the grace', async () => {
    const app = agent(() => 1, { shutdownGraceMs: 50 });
    const { promise, resolve } = pending<void>();
    let isDone = false;
    void app.task('quick', () =>
      promise.then(() => {
        isDone = true;
      }),
    );
    const stopped = app
      .task(
        'endless',
        ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      .catch((error: unknown) => error);
    const closing = app.close();
    resolve();
    await closing;
    expect(isDone).toBe(true);
    expect(await stopped).toMatchObject({ type: 'ShutdownError' });
  });
});

/** Waits until the agent works on what it was sent. */
function untilBusy(app: AgentRuntimeApp): Promise<void> {
  return eventually(async () =>
    expect(await json(await app.fetch(new Request('http://agent/ping')))).toMatchObject({
      status: 'HealthyBusy',
    }),
  );
}

describe('closing', () => {
  test('answers 503 to what comes while it waits, and is done when everything is', async () => {
    const { promise, resolve } = pending<string>();
    const app = agent(() => promise);
    const fetched = app.fetch(new Request('http://agent/invocations', post({})));
    await untilBusy(app);
    const closing = app.close();
    const refused = await app.fetch(new Request('http://agent/invocations', post({})));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    resolve('done');
    expect(await json(await fetched)).toMatchObject({ result: 'done' });
    await closing;
  });

  test('does not wait for ever for a handler that ignores its signal', async () => {
    const app = agent(() => new Promise(() => {}), { shutdownGraceMs: 10 });
    const fetched = app.fetch(new Request('http://agent/invocations', post({})));
    await untilBusy(app);
    await app.close();
    const response = await fetched;
    expect([response.status, (await json(response)).error_type]).toEqual([500, 'ShutdownError']);
  });
});

describe('a status that is forced', () => {
  eachServer('goes before every other judgement, until it is let go', async (serve) => {
    const app = agent(() => 1);
    app.ping(() => 'Healthy');
    const send = await serve(app);
    app.forceStatus('HealthyBusy');
    expect(await json(await send('/ping'))).toMatchObject({ status: 'HealthyBusy' });
    app.forceStatus();
    expect(await json(await send('/ping'))).toMatchObject({ status: 'Healthy' });
  });
});

describe('concurrency', () => {
  eachServer('over its limit is a 503 that says when to come back', async (serve) => {
    const { promise, resolve } = pending<void>();
    const send = await serve(agent(() => promise, { maxConcurrency: 2 }));
    const running = [1, 2].map(() => send('/invocations', post({})));
    await eventually(async () => {
      const response = await send('/invocations', post({}));
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      expect((await json(response)).error).toContain('maxConcurrency');
    });
    resolve();
    await Promise.all(running);
    expect((await send('/invocations', post({}))).status).toBe(200);
  });
});
