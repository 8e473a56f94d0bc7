import { expect, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { testAgent } from './test-agent.js';

test('an agent can be invoked in memory', async () => {
  await using app = agent((request) => ({ echo: request }));
  expect(await testAgent(app).invoke({ a: 1 })).toMatchObject({
    result: { echo: { a: 1 } },
    status: 'success',
  });
  expect(
    (await testAgent(app).request('x', { headers: { 'x-request-id': 'r' } })).headers.get('x-request-id'),
  ).toBe('r');
});

test('a stream can be collected, cut at an event, and taken up again', async () => {
  let runs = 0;
  await using app = agent(function* () {
    runs++;
    yield* ['a', 'b', 'c', 'd'];
  });
  const tested = testAgent(app);
  const whole = await tested.stream({});
  expect(whole).toEqual({ values: ['a', 'b', 'c', 'd'], lastEventId: 5, end: 'done', error: undefined });
  const cut = await tested.stream({}, { idempotencyKey: 'k', cutAfter: 2 });
  expect(cut).toEqual({ values: ['a', 'b'], lastEventId: 2, end: undefined, error: undefined });
  const rest = await tested.stream({}, { idempotencyKey: 'k', lastEventId: cut.lastEventId });
  expect(rest).toMatchObject({ values: ['c', 'd'], end: 'done' });
  expect(runs).toBe(2);
});

test('a stream that fails says how, and what is no stream is refused', async () => {
  await using app = agent((request) => {
    if (request === 'value') return 1;
    return (function* () {
      yield 1;
      throw new RangeError('far');
    })();
  });
  const failed = await testAgent(app).stream({});
  expect(failed).toMatchObject({
    values: [1],
    end: 'error',
    error: { error: 'far', error_type: 'RangeError' },
  });
  await expect(testAgent(app).stream('value')).rejects.toThrow(/without a stream/);
});
