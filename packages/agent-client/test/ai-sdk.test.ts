import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { toUIMessageStreamResponse, type UIMessageStreamOptions } from '../src/integrations/ai-sdk/index.js';
import { connect } from './support/agent-server.js';
import { aiSdks, type ChatLike, type LoadedSdk } from './support/ai-sdk.js';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface Chatting {
  chat: ChatLike;
  /** What the browser sent, request by request. */
  sent: { messages: unknown[] }[];
  data: unknown[];
}

/** A browser's chat with an agent that runs in the real runtime, through a backend of ours. */
async function chatWith(
  sdk: LoadedSdk,
  handler: (input: { data: { messages: never[] } }) => unknown,
  options: UIMessageStreamOptions & { init?: object } = {},
): Promise<Chatting> {
  const app = new AgentRuntimeApp({ logger: silent });
  app.entrypoint((input: unknown) => handler(input as { data: { messages: never[] } }));
  const server = await app.run({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => server.close());
  const agent = connect(`http://127.0.0.1:${server.port}`, [], {});
  const sent: Chatting['sent'] = [];
  const data: unknown[] = [];
  const { init, ...rest } = options;
  const transport = new sdk.ai.DefaultChatTransport({
    api: 'http://app.test/api/chat',
    fetch: async (_, request) => {
      const body = JSON.parse(String(request?.body));
      sent.push(body);
      const signal = request?.signal ?? undefined;
      return toUIMessageStreamResponse(agent.stream({ data: body }, { signal }), rest);
    },
  });
  const chat = new sdk.Chat({ transport, onData: (part: unknown) => data.push(part), ...init });
  return { chat, sent, data };
}

/** Parts without what differs from run to run, or between majors, and means nothing to a reader. */
function plain(parts: readonly object[] | undefined): object[] {
  return JSON.parse(JSON.stringify(parts ?? []));
}

const text = (words: string[], id = '1'): object[] => [
  { type: 'text-start', id },
  ...words.map((delta) => ({ type: 'text-delta', id, delta })),
  { type: 'text-end', id },
];

const toolCall = (toolName: string, input: object): object[] => [
  { type: 'tool-input-start', id: 'call-1', toolName },
  { type: 'tool-input-delta', id: 'call-1', delta: JSON.stringify(input) },
  { type: 'tool-input-end', id: 'call-1' },
  { type: 'tool-call', toolCallId: 'call-1', toolName, input: JSON.stringify(input) },
];

describe.each(aiSdks)('useChat of AI SDK $major', ({ major, missing, load }) => {
  const title = (name: string): string => (missing ? `${name} (${missing})` : name);
  const on = test.skipIf(missing);

  on(title('shows texts and objects of an agent as text and data'), async () => {
    const sdk = await load();
    const { chat } = await chatWith(sdk, async function* () {
      yield 'Hel';
      yield 'lo';
      yield { rows: 3 };
    });
    await chat.sendMessage({ text: 'Hi' });
    expect(chat.status).toBe('ready');
    expect(plain(chat.messages[1]?.parts)).toMatchObject([
      { type: 'step-start' },
      { type: 'text', text: 'Hello', state: 'done' },
      { type: 'data-agent', data: { rows: 3 } },
    ]);
  });

  const shapes: [string, (result: ReturnType<LoadedSdk['ai']['streamText']>) => unknown][] = [
    ['its UI message stream', (result) => result.toUIMessageStream()],
    ['its Response', (result) => result.toUIMessageStreamResponse()],
    ['its fullStream', (result) => result.fullStream],
    ['itself', (result) => result],
  ];
  test.skipIf(missing).each(shapes)(
    title('shows what streamText made, given back as %s, as the SDK shows it'),
    async (_, shape) => {
      const sdk = await load();
      const { ai } = sdk;
      const answers = [
        {
          parts: [
            { type: 'reasoning-start', id: 'r' },
            { type: 'reasoning-delta', id: 'r', delta: 'Hm.' },
            { type: 'reasoning-end', id: 'r' },
            { type: 'source', sourceType: 'url', id: 's', url: 'https://example.com', title: 'Example' },
            // JSON sees other fields of a file that was given as bytes than of one given as text.
            ...['iVBORw0=', new Uint8Array([137, 80, 78, 71])].map((data) => ({
              type: 'file',
              mediaType: 'image/png',
              data: major < 7 ? data : { type: 'data', data },
            })),
            ...toolCall('weather', { city: 'Oslo' }),
          ],
          reason: 'tool-calls' as const,
        },
        { parts: text(['It is ', 'sunny.']) },
      ];
      const { z } = await import('zod');
      const make = (): ReturnType<typeof ai.streamText> =>
        ai.streamText({
          model: sdk.model(answers),
          prompt: 'Hi',
          stopWhen: ai.stepCountIs(3),
          tools: {
            weather: ai.tool({
              inputSchema: z.object({ city: z.string() }),
              execute: async () => ({ sky: 'clear' }),
            }),
          },
        } as never);
      const { chat } = await chatWith(sdk, () => shape(make()));
      await chat.sendMessage({ text: 'Hi' });
      expect([chat.status, chat.error]).toEqual(['ready', undefined]);
      let expected: { parts: object[] } | undefined;
      const stream = make().toUIMessageStream({ sendSources: true } as never);
      for await (const message of ai.readUIMessageStream({ stream: stream as never })) expected = message;
      const shown = plain(chat.messages[1]?.parts);
      // Sources are sent by its fullStream and left out by the SDK's own conversions unless asked for.
      const withoutSources = (parts: object[]): object[] =>
        parts.filter((part) => Reflect.get(part, 'type') !== 'source-url');
      expect(withoutSources(shown)).toEqual(withoutSources(plain(expected?.parts)));
      expect(shown).toContainEqual(
        expect.objectContaining({
          type: 'tool-weather',
          state: 'output-available',
          output: { sky: 'clear' },
        }),
      );
      expect(chat.messages).toHaveLength(2);
    },
  );

  on(title('has an error where the model fails, and hears what the backend chose'), async () => {
    const sdk = await load();
    const failing = {
      ...Object(sdk.model([])),
      specificationVersion: `v${major - 3}`,
      provider: 'p',
      modelId: 'm',
      supportedUrls: {},
      doStream: async () => {
        throw new Error('secret at db.internal');
      },
    };
    const make = (): { fullStream: unknown; toUIMessageStream(): unknown } =>
      sdk.ai.streamText({ model: failing, prompt: 'Hi', maxRetries: 0, onError: () => {} } as never) as never;
    for (const shape of [
      (r: ReturnType<typeof make>) => r.fullStream,
      (r: ReturnType<typeof make>) => r.toUIMessageStream(),
    ]) {
      const { chat } = await chatWith(sdk, () => shape(make()));
      await chat.sendMessage({ text: 'Hi' });
      expect([chat.status, chat.error?.message]).toEqual(['error', 'An error occurred.']);
    }
    const throwing = async function* (): AsyncGenerator<string> {
      yield 'a';
      throw new RangeError('secret at db.internal');
    };
    const general = await chatWith(sdk, throwing);
    await general.chat.sendMessage({ text: 'Hi' });
    expect([general.chat.status, general.chat.error?.message]).toEqual(['error', 'An error occurred.']);
    expect(plain(general.chat.messages[1]?.parts)).toMatchObject([{}, { type: 'text', text: 'a' }]);
    const onError = (error: unknown): string => `chosen: ${Reflect.get(Object(error), 'errorType')}`;
    const chosen = await chatWith(sdk, throwing, { onError });
    await chosen.chat.sendMessage({ text: 'Hi' });
    expect(chosen.chat.error?.message).toBe('chosen: RangeError');
  });

  on(title('is not ended by values that only look like the SDK’s own'), async () => {
    const sdk = await load();
    const lookalikes = [
      { type: 'file', path: '/tmp/a.txt' },
      { type: 'text-delta', payload: { text: 'Mastra' } },
      { type: 'data-x' },
      { type: 'data-x', id: 7, data: 1 },
      { type: 'error', message: 'no error of the chat' },
      { type: 'source-url', url: 'https://example.com' },
      { type: 'tool-call', name: 'x' },
      { type: 'tool-input-delta', toolCallId: 'nobody', inputTextDelta: '{' },
      { type: 'text-end', id: 'never begun' },
      { type: 'constructor' },
      { type: 'tool-result', payload: {} },
      { type: 'brand-new' },
      { type: 7 },
    ];
    const { chat } = await chatWith(sdk, async function* () {
      yield 'before ';
      yield* lookalikes;
      yield 'after';
    });
    await chat.sendMessage({ text: 'Hi' });
    expect([chat.status, chat.error]).toEqual(['ready', undefined]);
    const parts = plain(chat.messages[1]?.parts);
    expect(parts.filter((part) => Reflect.get(part, 'type') === 'data-agent')).toEqual(
      lookalikes.map((data) => ({ type: 'data-agent', data })),
    );
    expect(parts.at(-1)).toMatchObject({ type: 'text', text: 'after', state: 'done' });
  });

  on(title('shows chunks that an agent wrote by itself, beside its plain texts'), async () => {
    const sdk = await load();
    const { chat, data } = await chatWith(sdk, async function* () {
      yield 'one';
      yield { type: 'start', messageId: 'own', messageMetadata: { model: 'm' } };
      yield { type: 'text-start', id: 'text-1' };
      yield { type: 'text-delta', id: 'text-1', delta: 'own' };
      yield 'two';
      yield { type: 'text-delta', id: 'text-1', delta: ' id' };
      yield { type: 'text-end', id: 'text-1' };
      yield { type: 'text-delta', id: 'begun by nobody', delta: 'three' };
      yield { type: 'data-progress', id: 'p', data: 1 };
      yield { type: 'data-progress', id: 'p', data: 2 };
      yield { type: 'data-note', data: 'passing', transient: true };
      yield { type: 'finish', messageMetadata: { tokens: 5 }, finishReason: 'stop' };
      yield { type: 'start' };
      yield { type: 'finish' };
    });
    await chat.sendMessage({ text: 'Hi' });
    expect([chat.status, chat.error]).toEqual(['ready', undefined]);
    expect(chat.messages).toHaveLength(2);
    expect(chat.messages[1]?.metadata).toEqual({ model: 'm', tokens: 5 });
    expect(plain(chat.messages[1]?.parts)).toMatchObject([
      { type: 'step-start' },
      { type: 'text', text: 'one' },
      { type: 'text', text: 'own id' },
      { type: 'text', text: 'two' },
      { type: 'text', text: 'three' },
      { type: 'data-progress', id: 'p', data: 2 },
    ]);
    expect(data).toContainEqual(expect.objectContaining({ type: 'data-note', data: 'passing' }));
  });

  on(title('goes on in the same message when a tool of the browser’s has answered'), async () => {
    const sdk = await load();
    const { ai } = sdk;
    const { z } = await import('zod');
    let turn = 0;
    const answers = [
      { parts: toolCall('where', {}), reason: 'tool-calls' as const },
      { parts: text(['In Oslo.']) },
    ];
    const { chat, sent } = await chatWith(
      sdk,
      async ({ data }) => {
        const messages = await ai.convertToModelMessages(data.messages);
        const tools = { where: ai.tool({ inputSchema: z.object({}) }) };
        const answer = answers[turn++];
        const model = sdk.model(answer ? [answer] : []);
        return ai.streamText({ model, messages, tools } as never).toUIMessageStream();
      },
      { init: { sendAutomaticallyWhen: ai.lastAssistantMessageIsCompleteWithToolCalls } },
    );
    await chat.sendMessage({ text: 'Where am I?' });
    const result = { tool: 'where', toolCallId: 'call-1', output: 'Oslo' };
    await (chat.addToolOutput ? chat.addToolOutput(result) : chat.addToolResult?.(result));
    await expect.poll(() => `${sent.length} ${chat.status}`, { timeout: 10_000 }).toBe('2 ready');
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(plain(chat.messages[1]?.parts)).toMatchObject([
      { type: 'step-start' },
      { type: 'tool-where', state: 'output-available', output: 'Oslo' },
      { type: 'step-start' },
      { type: 'text', text: 'In Oslo.', state: 'done' },
    ]);
  });

  test.skipIf(missing || major < 6)(title('asks for approval, and goes on in the same message'), async () => {
    const sdk = await load();
    const { ai } = sdk;
    const { z } = await import('zod');
    const answers = [
      { parts: toolCall('erase', {}), reason: 'tool-calls' as const },
      { parts: text(['Erased.']) },
    ];
    let turn = 0;
    const { chat, sent } = await chatWith(
      sdk,
      async ({ data }) => {
        const messages = await ai.convertToModelMessages(data.messages);
        const erase = ai.tool({
          inputSchema: z.object({}),
          needsApproval: true,
          execute: async () => 'done',
        } as never);
        const answer = answers[turn++];
        const model = sdk.model(answer ? [answer] : []);
        const options = { model, messages, tools: { erase }, stopWhen: ai.stepCountIs(3) };
        return ai
          .streamText(options as never)
          .toUIMessageStream({ originalMessages: data.messages } as never);
      },
      {
        init: {
          sendAutomaticallyWhen: Reflect.get(ai, 'lastAssistantMessageIsCompleteWithApprovalResponses'),
        },
      },
    );
    await chat.sendMessage({ text: 'Erase it.' });
    expect([chat.status, chat.error]).toEqual(['ready', undefined]);
    const asked = plain(chat.messages[1]?.parts).at(-1) as { state: string; approval: { id: string } };
    expect(asked.state).toBe('approval-requested');
    await chat.addToolApprovalResponse?.({ id: asked.approval.id, approved: true });
    await expect.poll(() => `${sent.length} ${chat.status}`, { timeout: 10_000 }).toBe('2 ready');
    expect(chat.error).toBeUndefined();
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
    const parts = plain(chat.messages[1]?.parts);
    expect(parts).toContainEqual(
      expect.objectContaining({ type: 'tool-erase', state: 'output-available', output: 'done' }),
    );
    expect(parts.at(-1)).toMatchObject({ type: 'text', text: 'Erased.' });
  });

  on(title('stops the agent'), async () => {
    const sdk = await load();
    let ended = false;
    const { chat } = await chatWith(sdk, async function* () {
      try {
        for (;;) {
          yield 'on ';
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      } finally {
        ended = true;
      }
    });
    const sending = chat.sendMessage({ text: 'Hi' });
    await expect.poll(() => chat.messages[1]?.parts.length, { timeout: 10_000 }).toBe(2);
    await chat.stop();
    await sending;
    await expect.poll(() => ended, { timeout: 10_000 }).toBe(true);
    expect(chat.status).toBe('ready');
  });
});
