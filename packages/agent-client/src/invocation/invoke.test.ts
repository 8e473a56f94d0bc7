import { describe, expect, test } from 'vitest';
import { json, sse, testAgent } from '../../test/support/agent-server.js';

const envelope = (result: unknown): object => ({ result, status: 'success', duration: 0.5 });

describe('a call for a whole answer', () => {
  test('sends a text as a prompt and an object as it is', async () => {
    const agent = await testAgent((_, response) => json(response, 200, envelope(null)));
    await agent.invoke('hello');
    await agent.invoke({ prompt: 'x', anything: [1] });
    expect(agent.seen.map(({ body }) => JSON.parse(body))).toEqual([
      { prompt: 'hello' },
      { prompt: 'x', anything: [1] },
    ]);
    expect(agent.released).toBe(2);
  });

  test('gives the envelope in camel case, with the ids of the call', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 200, {
        ...envelope({ n: 1 }),
        metadata: { request_id: 'r' },
        processing_time: 0.4,
        queue_time: 0.1,
        tokens_used: 7,
        cost: 0.25,
      }),
    );
    const answer = await agent.invoke('x', { idempotencyKey: 'k', requestId: 'r' });
    expect(answer).toEqual({
      result: { n: 1 },
      status: 'success',
      duration: 0.5,
      metadata: { request_id: 'r' },
      processingTime: 0.4,
      queueTime: 0.1,
      tokensUsed: 7,
      cost: 0.25,
      requestId: 'r',
      invocationId: 'k',
      attempts: 1,
    });
    expect(agent.seen[0]?.headers).toMatchObject({
      'idempotency-key': 'k',
      'x-request-id': 'r',
      'x-stream-protocol': 'resumable-1',
      'x-sandbox-id': 'sandbox1',
    });
  });

  test.each([[{ a: 1 }], [[1, 2]], ['text'], [5], [null], [{ status: 'ok' }], [{ result: 1 }]])(
    'takes %j of a raw-family agent for the result itself',
    async (value) => {
      const agent = await testAgent((_, response) => json(response, 200, value));
      expect((await agent.invoke('x')).result).toEqual(value);
    },
  );

  test('gives the list of values of an agent that streams anyhow', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      response.end('data: "a"\n\ndata: {"b":1}\n\n');
    });
    expect((await agent.invoke('x')).result).toEqual(['a', { b: 1 }]);
  });

  test('throws what the agent says went wrong', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 500, { result: null, status: 'error', error: 'no data', error_type: 'DataError' }),
    );
    await expect(agent.invoke('x', { requestId: 'r' })).rejects.toMatchObject({
      name: 'InvocationError',
      code: 'invocation_failed',
      message: 'no data',
      errorType: 'DataError',
      outcome: 'failed',
      status: 500,
      requestId: 'r',
      sandboxId: 'sandbox1',
    });
    expect(agent.seen).toHaveLength(1);
  });

  test('throws what the input schema refused, with paths', async () => {
    const issue = { path: ['data', 0], message: 'must be a number', code: 'x' };
    const agent = await testAgent((_, response) =>
      json(response, 400, { status: 'error', error: 'bad', error_type: 'ValidationError', details: [issue] }),
    );
    await expect(agent.invoke('x')).rejects.toMatchObject({
      name: 'ValidationError',
      issues: [{ path: ['data', 0], message: 'must be a number' }],
    });
  });

  test('refuses input that is no JSON object before anything is sent', async () => {
    const agent = await testAgent((_, response) => json(response, 200, envelope(1)));
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(async () => agent.invoke(circular)).rejects.toMatchObject({ code: 'validation_error' });
    expect(agent.seen).toHaveLength(0);
  });

  test('holds no more of an answer than it may', async () => {
    const agent = await testAgent((_, response) => json(response, 200, envelope('x'.repeat(5000))), {
      config: { maxResponseBytes: 4096 },
    });
    await expect(agent.invoke('x')).rejects.toThrow(/maxResponseBytes/);
  });
});
