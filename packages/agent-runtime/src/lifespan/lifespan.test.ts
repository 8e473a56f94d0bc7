import { expect, onTestFinished, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { AgentRuntimeApp } from '../node/node-app.js';

eachServer('what is to be done at the start is done before the first request, once', async (serve) => {
  const order: string[] = [];
  const app = agent(() => order.join());
  app.onStart(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    order.push('first');
  });
  app.onStart(() => void order.push('second'));
  const send = await serve(app);
  const answers = await Promise.all([1, 2].map(() => send('/invocations', post({}))));
  for (const answer of answers) expect(await json(answer)).toMatchObject({ result: 'first,second' });
});

test('what is to be done at the end is done last first, after the last request', async () => {
  const order: string[] = [];
  let finish = (): void => {};
  const app = agent(async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    order.push('answered');
  });
  app.onStop(() => void order.push('opened first'));
  app.onStop(() => void order.push('opened last'));
  const { port } = await app.run({ port: 0, host: '127.0.0.1' });
  const answer = fetch(`http://127.0.0.1:${port}/invocations`, post({}));
  const ping = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/ping`);
  await expect.poll(async () => (await json(await ping())).status, { timeout: 15_000 }).toBe('HealthyBusy');
  const closing = app.close();
  finish();
  expect((await answer).status).toBe(200);
  await closing;
  expect(order).toEqual(['answered', 'opened last', 'opened first']);
});

test('an app whose start fails does not run', async () => {
  const app = agent(() => 1);
  app.onStart(() => {
    throw new Error('no model');
  });
  await expect(app.run({ port: 0, host: '127.0.0.1' })).rejects.toThrow('no model');
  await app.close();
});

test('an app runs on a port that is given as a number', async () => {
  const app = agent(() => 'ran');
  onTestFinished(() => app.close());
  const { port } = await app.run(0);
  expect(port).toBeGreaterThan(0);
  const taken = agent(() => 1);
  await expect(taken.run(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  const wrong = agent(() => 1);
  await expect(wrong.run(70_000)).rejects.toThrow(/port.*65535/);
});

test('an app without a handler does not run, and says what to do', async () => {
  const app = new AgentRuntimeApp();
  await expect(app.run(0)).rejects.toThrow('No entrypoint is registered: call app.entrypoint(handler)');
  app.entrypoint(() => 1);
  await app.run(0);
  await app.close();
});

test('an app that speaks WebSocket only runs', async () => {
  const app = new AgentRuntimeApp();
  app.websocket(() => {});
  await app.run(0);
  await app.close();
});
