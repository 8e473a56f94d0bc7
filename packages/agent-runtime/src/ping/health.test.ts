import { describe, expect, expectTypeOf, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { decorated } from '../../test/compile-decorated.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { PingStatus } from '../index.js';
import { AgentRuntimeApp } from '../node/node-app.js';
import type { PingHandler } from './health.js';

describe('ping', () => {
  eachServer('is Healthy while idle and HealthyBusy while a handler runs', async (serve) => {
    const app = new AgentRuntimeApp();
    let finish = (): void => {};
    app.entrypoint(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const send = await serve(app);
    const ping = async () => json(await send('/ping'));
    const idle = await ping();
    expect(idle).toEqual({
      status: 'Healthy',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      time_of_last_update: expect.any(Number),
    });
    expect(Number.isInteger(idle.time_of_last_update)).toBe(true);
    const answer = send('/invocations', post({}));
    await expect.poll(async () => (await ping()).status, { timeout: 15_000 }).toBe('HealthyBusy');
    finish();
    await answer;
    expect((await ping()).status).toBe('Healthy');
  });

  test('is judged by a decorated method, whose instance is then its this', async () => {
    const app = new AgentRuntimeApp();
    const Judge = (await decorated()).judge(app);
    const status = async () => (await json(await app.fetch(new Request('http://agent/ping')))).status;
    const judge = new Judge();
    expect(await status()).toBe('Healthy');
    judge.mood = 'healthy_busy';
    expect(await status()).toBe('HealthyBusy');
  });

  test('gives back the judge it was given', () => {
    const judge = (): PingStatus => PingStatus.Healthy;
    const same = new AgentRuntimeApp().ping(judge);
    expect(same).toBe(judge);
    expectTypeOf(same).toEqualTypeOf(judge);
  });

  eachServer('stamps the last change, not the last look', async (serve) => {
    const app = agent(() => undefined);
    let status: PingStatus = PingStatus.Healthy;
    app.ping(() => status);
    const send = await serve(app);
    const at = async (): Promise<number> => Number((await json(await send('/ping'))).time_of_last_update);
    const first = await at();
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await at()).toBe(first);
    status = PingStatus.HealthyBusy;
    expect(await at()).toBeGreaterThan(first);
  });

  const answers: [string, PingHandler, object][] = [
    ['a status', () => PingStatus.HealthyBusy, { status: 'HealthyBusy' }],
    ['a promise of one', async () => 'HealthyBusy', { status: 'HealthyBusy' }],
    ['any letter case', () => 'HEALTHY_BUSY', { status: 'HealthyBusy' }],
    [
      'an object',
      async () => ({ status: 'healthy', message: 'fine' }),
      { status: 'Healthy', message: 'fine' },
    ],
    ['yes', () => true, { status: 'Healthy' }],
    ['no', async () => false, { status: 'HealthyBusy' }],
  ];
  for (const [what, handler, expected] of answers) {
    eachServer(`of one's own may say ${what}`, async (serve) => {
      const app = agent(() => undefined);
      expect(app.ping(handler)).toBe(handler);
      const response = await (await serve(app))('/ping');
      expect([response.status, await response.json()]).toMatchObject([200, expected]);
    });
  }

  eachServer("of one's own that throws is a 500, busy, with the message", async (serve) => {
    const app = agent(() => undefined);
    app.ping(() => {
      throw new Error('disk full');
    });
    const response = await (await serve(app))('/ping');
    expect(response.status).toBe(500);
    expect(await json(response)).toMatchObject({ status: 'HealthyBusy', message: 'disk full' });
  });

  eachServer("of one's own that throws is automatic in the raw family", async (serve) => {
    const app = agent(() => undefined, { responseFormat: 'raw' });
    app.ping(() => {
      throw new Error('disk full');
    });
    const response = await (await serve(app))('/ping');
    expect([response.status, (await json(response)).status]).toEqual([200, 'Healthy']);
  });
});
