import { expect, test } from 'vitest';
import { testAgent } from '../../test/support/agent-server.js';
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
  const target = Object.assign(agent.target, { look: async () => {} });
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
