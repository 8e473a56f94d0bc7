import { DefaultChatTransport, readUIMessageStream, type UIMessage } from 'ai';
import { describe, expect, test } from 'vitest';
import { sse, type TestAgent, testAgent } from '../../../test/support/agent-server.js';
import { toUIMessageStream, toUIMessageStreamResponse } from './ui-message-stream.js';

async function streaming(body: string): Promise<TestAgent> {
  return testAgent((_, response) => {
    sse(response);
    response.end(body);
  });
}

/** What `useChat` makes of an agent's answer: the AI SDK's own transport over our response. */
async function chatted(agent: TestAgent, onError?: (error: unknown) => void): Promise<UIMessage | undefined> {
  const transport = new DefaultChatTransport({
    api: 'http://app.test/api/chat',
    fetch: async () => toUIMessageStreamResponse(agent.stream('Hi')),
  });
  const stream = await transport.sendMessages({
    trigger: 'submit-message',
    chatId: 'c',
    messageId: undefined,
    messages: [],
    abortSignal: undefined,
  });
  let last: UIMessage | undefined;
  for await (const message of readUIMessageStream({ stream, ...(onError && { onError }) })) last = message;
  return last;
}

describe('an agent’s answer for the AI SDK', () => {
  test('is one message of text', async () => {
    const message = await chatted(await streaming('data: "Hel"\n\ndata: "lo"\n\n'));
    expect(message?.role).toBe('assistant');
    expect(message?.parts).toMatchObject([
      { type: 'step-start' },
      { type: 'text', text: 'Hello', state: 'done' },
    ]);
  });

  test('has values that are no text as data between the texts', async () => {
    const message = await chatted(await streaming('data: "a"\n\ndata: {"rows":3}\n\ndata: "b"\n\n'));
    expect(message?.parts.slice(1)).toMatchObject([
      { type: 'text', text: 'a' },
      { type: 'data-agent', data: { rows: 3 } },
      { type: 'text', text: 'b' },
    ]);
  });

  test('passes the SDK’s own chunks, in no step but the agent’s', async () => {
    const source = { type: 'source-url', sourceId: 's', url: 'https://example.com' };
    const message = await chatted(await streaming(`data: ${JSON.stringify(source)}\n\n`));
    expect(message?.parts).toEqual([source]);
  });

  test('ends with a general sentence for the agent’s error', async () => {
    const errors: unknown[] = [];
    await chatted(await streaming('data: "a"\n\ndata: {"error":"broke","error_type":"E"}\n\n'), (error) =>
      errors.push(error),
    );
    expect(String(errors[0])).toBe('Error: An error occurred.');
  });

  test('stops the agent when its reader leaves', async () => {
    let closed = false;
    const agent = await testAgent((_, response) => {
      sse(response);
      const timer = setInterval(() => response.write('data: "x"\n\n'), 10);
      response.on('close', () => {
        closed = true;
        clearInterval(timer);
      });
    });
    const reader = toUIMessageStream(agent.stream('x')).getReader();
    for (let chunk = await reader.read(); chunk.value?.type !== 'text-delta'; chunk = await reader.read());
    await reader.cancel();
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(true);
  });
});
