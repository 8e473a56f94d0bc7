import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { json, sse, testAgent } from '../../test/support/agent-server.js';
import { readPayload } from './request.js';

const runtime = { 'x-runtime-instance': 'one' };
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
      durationSeconds: 0.5,
      metadata: { request_id: 'r' },
      processingTimeSeconds: 0.4,
      queueTimeSeconds: 0.1,
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

  test.each([
    ['a foreign agent’s own fields', { result: 'x', status: 'success', sources: ['a'] }, {}],
    [
      'a raw-family runtime’s value that looks like one',
      { result: 'x', status: 'ok', metadata: {} },
      runtime,
    ],
  ])('does not take %s for an envelope', async (_, value, headers) => {
    const agent = await testAgent((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    });
    expect((await agent.invoke('x')).result).toEqual(value);
    expect(await agent.stream('x').collect()).toEqual([value]);
  });

  test('takes a runtime’s envelope for one, whatever else it has', async () => {
    const agent = await testAgent(({ headers }, response) => {
      const metadata = { invocation_id: headers['idempotency-key'] };
      json(response, 200, { ...envelope('x'), metadata, newer: 1 }, runtime);
    });
    expect((await agent.invoke('x')).result).toBe('x');
  });

  test.each([
    ['a Buffer', Buffer.from('{"prompt":"é"}')],
    ['bytes in the middle of others', new TextEncoder().encode('xx{"prompt":"é"}').subarray(2)],
    ['an ArrayBuffer', new TextEncoder().encode('{"prompt":"é"}').buffer],
  ])('sends the JSON that is in %s', async (_, input) => {
    const agent = await testAgent((_request, response) => json(response, 200, envelope(1)));
    await agent.invoke(input);
    expect(agent.seen[0]?.body).toBe('{"prompt":"é"}');
  });

  test.each<[string, object, RegExp]>([
    ['bytes that are no JSON', Buffer.from('hello'), /bytes must be JSON/],
    ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), /bytes must be JSON in UTF-8/],
    ['a Map', new Map([['a', 1]]), /a Map/],
    ['a Set', new Set([1]), /a Set/],
    ['a date', new Date(0), /a Date/],
    ['an instance', new (class Question {})(), /a Question/],
    ['a Map inside', { data: { rows: [1, new Map()] } }, /data\.rows\.1 is a Map/],
    ['a promise inside', { prompt: Promise.resolve('x') }, /prompt is a Promise/],
    ['bytes inside', { data: { file: Uint8Array.of(1) } }, /data\.file is a Uint8Array/],
    ['a generator inside', { data: (function* () {})() }, /data is a Generator/],
  ])('refuses %s, which JSON would lose, before anything is sent', async (_, input, message) => {
    const agent = await testAgent((_request, response) => json(response, 200, envelope(1)));
    await expect(async () => agent.invoke(input)).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringMatching(message),
    });
    expect(agent.seen).toHaveLength(0);
  });

  test.each<[string, object]>([
    ['an object of another realm', runInNewContext('({ a: [1] })') as object],
    ['one without a prototype', Object.assign(Object.create(null), { a: [1] })],
    ['one that says how it is written', { toJSON: () => ({ a: [1] }) }],
  ])('takes %s', async (_, input) => {
    const agent = await testAgent((_request, response) => json(response, 200, envelope(1)));
    await agent.invoke(input);
    expect(agent.seen[0]?.body).toBe('{"a":[1]}');
  });

  test.each([
    ['{"prompt":"x","n":1}', { prompt: 'x', n: 1 }],
    ['{not JSON', '{not JSON'],
    ['hello', 'hello'],
  ])('reads a payload of text, as AgentCore’s callers write it: %s', (payload, input) => {
    expect(readPayload(payload)).toEqual(input);
  });

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
