import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AgentRuntimeApp, type RequestContext } from '@sandpiper/agent-runtime';
import type OpenAI from 'openai';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type ChatCompletionsOptions, createChatCompletions } from '../src/integrations/openai/index.js';
import { connect } from './support/agent-server.js';

const newest = `${fileURLToPath(new URL('./peers/node_modules/', import.meta.url))}openai-7/index.mjs`;
const node = Number(process.versions.node.split('.')[0]);
const majors = [
  { major: 6, missing: '', load: () => import('openai') },
  {
    major: 7,
    missing: !existsSync(newest)
      ? 'not installed: node packages/agent-client/test/peers/install.mjs'
      : node < 22
        ? 'openai 7 needs Node 22'
        : '',
    load: () => import(/* @vite-ignore */ newest) as Promise<typeof import('openai')>,
  },
];

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

type Handler = (request: Request, context: RequestContext) => unknown;
interface Request {
  prompt: string;
  data: { request: OpenAI.ChatCompletionCreateParams };
}

const weather = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};

for (const { major, missing, load } of majors) {
  describe.skipIf(missing)(`OpenAI's client ${major}${missing && ` (skipped: ${missing})`}`, () => {
    let sdk: typeof import('openai');
    beforeEach(async () => {
      sdk = await load();
    });

    /** OpenAI's client, which talks to our handler, which calls an agent on our runtime. */
    async function serve(
      handler: Handler,
      options: Partial<ChatCompletionsOptions> = {},
      config: { maxConcurrency?: number } = {},
    ): Promise<OpenAI> {
      const app = new AgentRuntimeApp({ config, logger: silent });
      app.entrypoint(handler as never);
      const { port } = await app.run({ port: 0, host: '127.0.0.1' });
      onTestFinished(() => app.close());
      const origin = `http://127.0.0.1:${port}`;
      const ping = await fetch(`${origin}/ping`);
      const runtimeInstance = ping.headers.get('x-runtime-instance') ?? '';
      const agent = connect(origin, [], { runtimeInstance, config: { maxRetries: 0 } });
      const serveChat = createChatCompletions({
        models: ['writer', 'org/painter'],
        answer: (chat, { signal }) => agent.stream(chat.request, { signal }),
        ...options,
      });
      const send = async (url: string | URL | globalThis.Request, init?: RequestInit): Promise<Response> =>
        serveChat(new globalThis.Request(url, init));
      return new sdk.default({ apiKey: 'any', baseURL: 'http://agent.test/v1', fetch: send, maxRetries: 0 });
    }
    const ask = (content: OpenAI.ChatCompletionUserMessageParam['content'], more: object = {}) => ({
      model: 'writer',
      messages: [{ role: 'user' as const, content }],
      ...more,
    });

    test('calls a tool and gives its result back, streamed and not', async () => {
      const client = await serve(async function* ({ data: { request } }: Request) {
        const last = request.messages.at(-1);
        if (last?.role === 'tool') {
          const call = request.messages.find((one) => one.role === 'assistant')?.tool_calls?.[0];
          yield `${call?.id === last.tool_call_id} ${last.content}`;
        } else {
          yield 'Let me look. ';
          yield {
            tool_calls: [
              {
                function: {
                  name: request.tools?.[0]?.type === 'function' && 'weather',
                  arguments: { city: 'Rome' },
                },
              },
            ],
          };
        }
      });
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Warm?' }];
      const first = await client.chat.completions.create({ model: 'writer', messages, tools: [weather] });
      const [choice] = first.choices;
      expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'Let me look. ' } });
      const call = choice?.message.tool_calls?.[0];
      expect(call).toEqual({
        id: expect.stringMatching(/^call-/),
        type: 'function',
        function: { name: 'weather', arguments: '{"city":"Rome"}' },
      });
      const streamed = await client.chat.completions
        .stream({ model: 'writer', messages, tools: [weather] })
        .finalChatCompletion();
      expect(streamed.choices[0]).toMatchObject({
        finish_reason: 'tool_calls',
        message: {
          tool_calls: [{ type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
        },
      });
      if (choice) messages.push(choice.message);
      messages.push({ role: 'tool', tool_call_id: call?.id ?? '', content: '30 degrees' });
      const second = await client.chat.completions.create({ model: 'writer', messages });
      expect(second.choices[0]).toMatchObject({
        finish_reason: 'stop',
        message: { content: 'true 30 degrees' },
      });
    });

    test("hands on what an agent gets from OpenAI's API, in chunks and whole", async () => {
      const chunk = (delta: object, more: object = {}) => ({
        id: 'chatcmpl-theirs',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'theirs',
        choices: [{ index: 0, delta, finish_reason: null, ...more }],
      });
      const client = await serve(async function* ({ prompt }: Request) {
        if (prompt === 'whole') {
          yield {
            object: 'chat.completion',
            choices: [
              { index: 0, message: { role: 'assistant', content: 'Whole' }, finish_reason: 'length' },
            ],
            usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
          };
          return;
        }
        yield chunk({ role: 'assistant', content: '' });
        yield chunk({ content: 'Look' });
        yield chunk({
          tool_calls: [
            { index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } },
          ],
        });
        yield chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] });
        yield chunk({ tool_calls: [{ index: 0, function: { arguments: '"Rome"}' } }] });
        yield chunk({}, { finish_reason: 'tool_calls' });
        yield {
          ...chunk({}),
          choices: [],
          usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
        };
      });
      const call = {
        id: 'call_1',
        type: 'function',
        function: { name: 'weather', arguments: '{"city":"Rome"}' },
      };
      const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
      const whole = await client.chat.completions.create(ask('chunks', { tools: [weather] }));
      expect(whole).toMatchObject({
        model: 'writer',
        usage,
        choices: [{ finish_reason: 'tool_calls', message: { content: 'Look', tool_calls: [call] } }],
      });
      const streamed = client.chat.completions.stream(
        ask('chunks', { tools: [weather], stream_options: { include_usage: true } }) as never,
      );
      const final = await streamed.finalChatCompletion();
      expect(final).toMatchObject({
        usage,
        choices: [{ finish_reason: 'tool_calls', message: { content: 'Look', tool_calls: [call] } }],
      });
      expect(await client.chat.completions.create(ask('whole'))).toMatchObject({
        usage: { total_tokens: 7 },
        choices: [{ finish_reason: 'length', message: { content: 'Whole' } }],
      });
    });

    test('finds everything it sent in the agent, and no text "null"', async () => {
      const client = await serve(({ data: { request } }: Request) => request);
      const image = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AA==' } };
      const sent = {
        model: 'writer',
        messages: [
          { role: 'user' as const, name: 'ann', content: [{ type: 'text' as const, text: 'See' }, image] },
          {
            role: 'assistant' as const,
            content: null,
            tool_calls: [
              { id: 'c1', type: 'function' as const, function: { name: 'weather', arguments: '{}' } },
            ],
          },
          { role: 'tool' as const, tool_call_id: 'c1', content: 'warm' },
        ],
        tools: [weather],
        tool_choice: 'auto' as const,
        response_format: { type: 'json_object' as const },
        stop: ['END'],
        n: 1,
        seed: 7,
        metadata: { a: 'b' },
      };
      const { choices } = await client.chat.completions.create(sent);
      expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual(sent);
      const quiet = await serve(() => null);
      expect((await quiet.chat.completions.create(ask('x'))).choices[0]?.message.content).toBe('');
      let text = '';
      for await (const chunk of await quiet.chat.completions.create({ ...ask('x'), stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
      expect(text).toBe('');
    });

    test('always gets the usage it asked for, of what the agent says', async () => {
      const client = await serve(async function* ({ prompt }: Request, context: RequestContext) {
        yield 'a';
        if (prompt === 'counted') context.usage({ tokensUsed: 12 });
      });
      const seen = async (prompt: string) => {
        const params = { ...ask(prompt), stream: true as const, stream_options: { include_usage: true } };
        const usages: unknown[] = [];
        for await (const { usage, choices } of await client.chat.completions.create(params))
          usages.push(choices.length === 0 ? usage : null);
        return usages;
      };
      expect(await seen('counted')).toEqual([
        null,
        null,
        null,
        { prompt_tokens: 0, completion_tokens: 12, total_tokens: 12 },
      ]);
      expect((await seen('uncounted')).at(-1)).toEqual({
        prompt_tokens: 0,
        completion_tokens: 0,
        total_tokens: 0,
      });
      expect((await client.chat.completions.create(ask('counted'))).usage?.total_tokens).toBe(12);
    });

    test('lists and finds the models that are served, and is refused any other', async () => {
      let asked = 0;
      const client = await serve(() => {
        asked += 1;
        return 'x';
      });
      expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['writer', 'org/painter']);
      expect(await client.models.retrieve('org/painter')).toMatchObject({
        id: 'org/painter',
        object: 'model',
      });
      const unknown = { status: 404, code: 'model_not_found' };
      await expect(client.models.retrieve('base')).rejects.toMatchObject(unknown);
      await expect(client.chat.completions.create({ ...ask('x'), model: 'base' })).rejects.toMatchObject({
        ...unknown,
        param: 'model',
      });
      expect(asked).toBe(0);
    });

    test.each([
      ['n', { n: 2 }],
      ['logprobs', { logprobs: true }],
      ['modalities', { modalities: ['text', 'audio'] }],
      ['audio', { audio: { voice: 'x', format: 'wav' } }],
      ['functions', { functions: [{ name: 'f' }] }],
      ['store', { store: true }],
      ['messages', { messages: [] }],
    ])('is told that %s cannot be honoured', async (param, more) => {
      const client = await serve(() => 'x');
      await expect(client.chat.completions.create(ask('x', more) as never)).rejects.toMatchObject({
        status: 400,
        param,
        message: expect.stringContaining(param),
      });
    });

    test("hears of an agent's error what onError says, and by default no detail", async () => {
      const fail = (): never => {
        throw new Error('password of the database: 1234');
      };
      const quiet = await serve(fail);
      const error = await quiet.chat.completions.create(ask('x')).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ status: 500, code: 'agent_failed' });
      expect(String(error)).not.toContain('1234');
      const open = await serve(fail, { onError: (cause) => `It said: ${(cause as Error).message}` });
      await expect(open.chat.completions.create(ask('x'))).rejects.toThrow('It said: password');
    });

    test('is told when to come back to an agent that is full', async () => {
      let go = (): void => {};
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      const client = await serve(
        async () => {
          await gate;
          return 'x';
        },
        {},
        { maxConcurrency: 1 },
      );
      const first = client.chat.completions.create(ask('x'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      const error = await client.chat.completions.create(ask('x')).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ status: 503, code: 'agent_unavailable' });
      const headers = (error as { headers: Headers }).headers;
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(headers.get('x-should-retry')).toBe('true');
      go();
      expect((await first).choices[0]?.message.content).toBe('x');
    });

    test('ends the agent when it leaves', async () => {
      let ended = false;
      const client = await serve(async function* (_: Request, context: RequestContext) {
        context.signal.addEventListener('abort', () => {
          ended = true;
        });
        for (;;) {
          yield 'x';
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      });
      const stream = await client.chat.completions.create({ ...ask('x'), stream: true });
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content === 'x') break;
      await expect.poll(() => ended, { timeout: 15_000 }).toBe(true);
    });
  });
}
