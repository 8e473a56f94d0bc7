import { expect, test } from 'vitest';
import { readUsage, toSummary } from './response.js';

const facts = { requestId: 'r', invocationId: 'i', attempts: 1, durationSeconds: 2 };

test('what a bare value used is read from its header', () => {
  const usage = readUsage('{"tokens_used":120,"cost":0.5,"processing_time":1,"queue_time":0}');
  expect(toSummary(usage, facts)).toMatchObject({
    tokensUsed: 120,
    cost: 0.5,
    processingTimeSeconds: 1,
    queueTimeSeconds: 0,
    status: 'success',
    durationSeconds: 2,
  });
});

test.each([undefined, '', 'none', '[]', '{"cost":"1"}', 'null'])(
  'what is no usage says nothing: %s',
  (header) => {
    expect(readUsage(header)).toEqual({});
  },
);
