import { expect, test } from 'vitest';
import { json, testAgent } from '../../test/support/agent-server.js';
import { NotReady, waitUntilReady } from './wait-until-ready.js';

test('an agent whose process crashes is given up in the middle of a ping', async () => {
  const crash = new AbortController();
  const agent = await testAgent(() => crash.abort());
  const process = {
    exit: 'it exited with code 4',
    crashed: crash.signal,
    lastLines: ['no data'],
    release: async () => {},
  };
  const target = Object.assign(agent.target, { fetchRecord: async () => {} });
  const started = Date.now();
  const waiting = waitUntilReady(target, 600_000, new AbortController().signal, process);
  await expect(waiting).rejects.toThrow(NotReady);
  await expect(waiting).rejects.toMatchObject({
    message: expect.stringContaining('code 4'),
    log: ['no data'],
  });
  // A single ping is given up after five seconds.
  expect(Date.now() - started).toBeLessThan(4_500);
});

test('an agent is asked again soon, and more seldom the longer it takes', async () => {
  const asked: number[] = [];
  const agent = await testAgent((_, response) => {
    asked.push(performance.now());
    if (asked.length < 8) json(response, 503, { message: 'starting' });
    else json(response, 200, { status: 'Healthy', time_of_last_update: 1 });
  });
  const target = Object.assign(agent.target, { fetchRecord: async () => {} });
  await waitUntilReady(target, 600_000, new AbortController().signal);
  const waits = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
  // Timers never ring early; that they ring late is the machine's affair.
  for (const [index, ms] of waits.entries()) expect(ms).toBeGreaterThan(20 * 1.5 ** index - 5);
  expect(Math.min(...waits)).toBeLessThan(3_000);
});
