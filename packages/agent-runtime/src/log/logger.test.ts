import { afterEach, expect, test, vi } from 'vitest';
import { post } from '../../test/each-server.js';
import { AgentRuntimeApp } from '../node/node-app.js';

afterEach(() => vi.restoreAllMocks());

test('a log line is one JSON object with the ids of its request', async () => {
  const out = vi.spyOn(console, 'log').mockImplementation(() => {});
  const err = vi.spyOn(console, 'error').mockImplementation(() => {});
  const app = new AgentRuntimeApp();
  app.entrypoint((_, { log }) => {
    log.debug('not shown');
    log.info({ city: 'Oslo', n: 1n }, 'looking');
    log.error('two\nlines');
  });
  await app.fetch(
    new Request(
      'http://agent/invocations',
      post({ sandbox_id: 's' }, { 'x-request-id': 'r', 'idempotency-key': 'k' }),
    ),
  );
  const ids = { request_id: 'r', invocation_id: 'k', sandbox_id: 's' };
  expect(out.mock.calls.map(([line]) => JSON.parse(String(line)))).toEqual([
    { level: 'info', time: expect.any(String), msg: 'looking', ...ids, city: 'Oslo', n: '1' },
  ]);
  expect(err.mock.calls).toHaveLength(1);
  expect(String(err.mock.calls[0]?.[0])).not.toContain('\n');
  await app.close();
});

test('debug lines are written when debugging', async () => {
  const out = vi.spyOn(console, 'log').mockImplementation(() => {});
  const app = new AgentRuntimeApp({ debug: true });
  app.entrypoint((_, { log }) => log.debug('shown'));
  await app.fetch(new Request('http://agent/invocations', post({})));
  expect(JSON.parse(String(out.mock.calls[0]?.[0]))).toMatchObject({ level: 'debug', msg: 'shown' });
  await app.close();
});

test("the stack of a handler's error is logged, and not sent", async () => {
  const error = vi.fn();
  const app = new AgentRuntimeApp({ logger: { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error } });
  app.entrypoint(() => {
    throw new RangeError('far');
  });
  const response = await app.fetch(new Request('http://agent/invocations', post({})));
  expect(await response.text()).not.toContain('logger.test');
  expect(error.mock.calls[0]?.[0]).toMatchObject({
    error_type: 'RangeError',
    stack: expect.stringContaining('logger.test'),
  });
  await app.close();
});
