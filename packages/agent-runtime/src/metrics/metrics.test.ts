import { Counter, register } from 'prom-client';
import { describe, expect, onTestFinished } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, post, type Send } from '../../test/each-server.js';
import { eventually } from '../../test/eventually.js';

/** The samples of `/metrics` by name and labels. */
async function samples(send: Send): Promise<Record<string, number>> {
  const text = await (await send('/metrics')).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

describe('metrics', () => {
  eachServer(
    'count invocations by outcome and error type, time them, and count what streams carry',
    async (serve) => {
      const send = await serve(
        agent((request) => {
          if (request === 'fail') throw new RangeError('far');
          return request === 'stream' ? [1, 2, 3].values() : request;
        }),
      );
      await send('/invocations', post('value'));
      await send('/invocations', post('fail'));
      await (await send('/invocations', post('stream'))).text();
      const read = await samples(send);
      expect(read).toMatchObject({
        'agent_runtime_invocations_total{outcome="succeeded",error_type=""}': 2,
        'agent_runtime_invocations_total{outcome="failed",error_type="RangeError"}': 1,
        agent_runtime_invocation_duration_seconds_count: 3,
        agent_runtime_time_to_first_byte_seconds_count: 3,
        agent_runtime_stream_events_total: 3,
        agent_runtime_active: 0,
        agent_runtime_idempotency_entries: 3,
      });
      expect(read.agent_runtime_idempotency_bytes).toBeGreaterThan(0);
      // Asking changes nothing.
      expect(await samples(send)).toEqual(read);
    },
  );

  eachServer('show what runs', async (serve) => {
    let finish = (): void => {};
    const send = await serve(
      agent(
        () =>
          new Promise<void>((resolve) => {
            finish = resolve;
          }),
      ),
    );
    const answer = send('/invocations', post({}));
    await eventually(async () => expect((await samples(send)).agent_runtime_active).toBe(1));
    finish();
    await answer;
    expect((await samples(send)).agent_runtime_active).toBe(0);
  });

  eachServer('include what the agent itself counts', async (serve) => {
    const mine = new Counter({ name: 'questions_total', help: 'Questions.' });
    onTestFinished(() => register.clear());
    const send = await serve(agent(() => mine.inc()));
    await send('/invocations', post({}));
    expect((await send('/metrics')).headers.get('content-type')).toContain('text/plain');
    expect((await samples(send)).questions_total).toBe(1);
  });

  eachServer('are not there when they are turned off', async (serve) => {
    const send = await serve(agent(() => 1, { enableMetrics: false }));
    expect((await send('/metrics')).status).toBe(404);
    expect((await send('/invocations', post({}))).status).toBe(200);
  });
});
