import OpenAI, { APIError } from 'openai';
import { describe, expect, test } from 'vitest';
import { json, resumable, sse, type TestAgent, testAgent } from '../../../test/support/agent-server.js';
import { createChatCompletions } from './index.js';

/** OpenAI's own client, talking to an agent. */
function openai(agent: TestAgent): OpenAI {
  const handler = createChatCompletions({
    answer: (chat, { signal }) => agent.stream(chat.request, { signal }),
    models: ['writer'],
  });
  const fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> =>
    handler(new Request(url, init));
  return new OpenAI({ apiKey: 'any', baseURL: 'http://agent.test/v1', fetch });
}

const chat = { model: 'writer', messages: [{ role: 'user' as const, content: 'Hi' }] };

describe('an agent as OpenAI chat completions', () => {
  test('answers as a whole', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 200, { result: 'Hello', status: 'success', duration: 1, tokens_used: 5 }),
    );
    const completion = await openai(agent).chat.completions.create({
      ...chat,
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
      ],
      temperature: 0.5,
      max_completion_tokens: 10,
      user: 'u1',
    });
    expect(completion.choices[0]?.message.content).toBe('Hello');
    expect(completion.usage?.total_tokens).toBe(5);
    expect(JSON.parse(agent.seen[0]?.body ?? '')).toEqual({
      prompt: 'Hi',
      data: {
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: 'Hi' },
        ],
        request: {
          model: 'writer',
          messages: [
            { role: 'system', content: 'Be kind.' },
            { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
          ],
          temperature: 0.5,
          max_completion_tokens: 10,
          user: 'u1',
        },
      },
      stream: false,
      max_tokens: 10,
      temperature: 0.5,
      user_id: 'u1',
    });
  });

  test('answers chunk by chunk', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      response.write('id: 1\ndata: "Hel"\n\nid: 2\ndata: "lo"\n\n');
      response.end('event: done\nid: 3\ndata: {"status":"success","duration":1,"metadata":{}}\n\n');
    });
    let text = '';
    let finish: string | null = null;
    for await (const chunk of await openai(agent).chat.completions.create({ ...chat, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(text).toBe('Hello');
    expect(finish).toBe('stop');
  });

  test('tells of an error in mid-stream, and never says that it is done', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      response.end('data: "Hel"\n\ndata: {"error":"broke","error_type":"E"}\n\n');
    });
    const stream = await openai(agent).chat.completions.create({ ...chat, stream: true });
    await expect(
      (async () => {
        for await (const chunk of stream) expect(chunk.choices[0]?.finish_reason).toBeNull();
      })(),
    ).rejects.toThrow('An error occurred.');
  });

  test('that fails is not asked again by a client that retries', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 500, { result: null, status: 'error', error: 'no data', error_type: 'DataError' }),
    );
    const error = await openai(agent)
      .chat.completions.create(chat)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({
      status: 500,
      code: 'agent_failed',
      message: expect.stringMatching(/An error occurred\.$/),
    });
    expect(agent.seen).toHaveLength(1);
  });

  test('that cannot be reached is a bad gateway, whose message names no host', async () => {
    const agent = await testAgent((_, response) => response.destroy());
    const error = await openai(agent)
      .chat.completions.create(chat)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ status: 502, message: expect.not.stringContaining('127.0.0.1') });
    expect(agent.seen).toHaveLength(1);
  });

  test('lists its models, and says what is wrong with a request', async () => {
    const agent = await testAgent((_, response) => json(response, 200, 'x'));
    const client = openai(agent);
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['writer']);
    await expect(client.chat.completions.create({ model: 'writer', messages: [] })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('messages'),
    });
    await expect(client.embeddings.create({ model: 'writer', input: 'x' })).rejects.toMatchObject({
      status: 404,
    });
  });

  test('stops the agent when the client leaves', async () => {
    let closed = false;
    const agent = await testAgent((_, response) => {
      sse(response);
      const timer = setInterval(() => response.write('data: "x"\n\n'), 10);
      response.on('close', () => {
        closed = true;
        clearInterval(timer);
      });
    });
    for await (const chunk of await openai(agent).chat.completions.create({ ...chat, stream: true })) {
      if (chunk.choices[0]?.delta.content === 'x') break;
    }
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(true);
  });
});
