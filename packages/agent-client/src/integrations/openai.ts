import { AgentRuntimeError, type InvocationRequest, ValidationError } from '@sandpiper/protocol';
import * as z from 'zod';
import { InvocationError } from '../errors/invocation-error.js';
import { RateLimitError } from '../errors/rate-limit-error.js';
import type { AgentStream } from '../invocation/agent-stream.js';
import { toEventResponse } from '../invocation/event-stream.js';
import { toldOutside } from '../invocation/told-outside.js';

/** A message of a chat, its content as text. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** What a caller of the chat completions API asks for. */
export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  /** The same as a request to an agent: the last user message as `prompt`, all of them as `data.messages`. */
  request: InvocationRequest;
}

/** How an agent is served as a model. */
export interface ChatCompletionsOptions {
  /** Has the agent answer one chat. */
  answer: (
    chat: ChatRequest,
    context: { request: Request; signal: AbortSignal },
  ) => AgentStream | Promise<AgentStream>;
  /** The names that `GET /models` lists. Default: `['agent']`. */
  models?: readonly string[] | undefined;
}

const contentSchema = z.union([
  z.string(),
  z.null().transform(() => ''),
  z
    .array(z.looseObject({ type: z.string(), text: z.string().optional() }))
    .transform((parts) => parts.map(({ text = '' }) => text).join('')),
]);

const bodySchema = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: contentSchema.default('') })).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: z.number().nullish(),
  max_completion_tokens: z.number().nullish(),
  temperature: z.number().nullish(),
  user: z.string().nullish(),
});

/**
 * Serves an agent as OpenAI chat completions, streaming and not, for any client of that API. Who may call it is for the
 * server around it to decide.
 *
 * @example
 * const handler = createChatCompletions({
 *   answer: (chat, { signal }) => session.stream(chat.request, { signal }),
 * });
 * serve({ fetch: handler, port: 3000 }); // new OpenAI({ baseURL: 'http://localhost:3000/v1' })
 */
export function createChatCompletions(
  options: ChatCompletionsOptions,
): (request: Request) => Promise<Response> {
  const { answer, models = ['agent'] } = options;
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method === 'GET' && pathname.endsWith('/models')) {
      const data = models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'sandpiper' }));
      return Response.json({ object: 'list', data });
    }
    if (request.method !== 'POST' || !pathname.endsWith('/chat/completions')) {
      return refusal(404, 'not_found', `There is no ${request.method} ${pathname} here.`);
    }
    const body = bodySchema.safeParse(await request.json().catch(() => undefined));
    if (!body.success) {
      const [issue] = body.error.issues;
      return refusal(400, 'invalid_request', `${issue?.path.join('.') || 'body'}: ${issue?.message}`);
    }
    try {
      const stream = await answer(toChat(body.data), { request, signal: request.signal });
      const facts = {
        id: `chatcmpl-${stream.invocationId}`,
        created: Math.floor(Date.now() / 1000),
        model: body.data.model,
      };
      if (!body.data.stream) return await whole(stream, facts);
      const withUsage = body.data.stream_options?.include_usage ?? false;
      return toEventResponse(frames(stream, facts, withUsage), () => stream.cancel(), {}, {});
    } catch (error) {
      return failure(error);
    }
  };
}

interface CompletionFacts {
  id: string;
  created: number;
  model: string;
}

function toChat(body: z.output<typeof bodySchema>): ChatRequest {
  const messages = body.messages.map(({ role, content }) => ({ role, content }));
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return {
    model: body.model,
    messages,
    request: {
      prompt: messages.findLast(({ role }) => role === 'user')?.content ?? '',
      data: { messages },
      stream: body.stream ?? false,
      ...(maxTokens != null && { max_tokens: maxTokens }),
      ...(body.temperature != null && { temperature: body.temperature }),
      ...(body.user != null && { user_id: body.user }),
    },
  };
}

async function whole(stream: AgentStream, facts: CompletionFacts): Promise<Response> {
  const content = await stream.text();
  const message = { role: 'assistant', content, refusal: null };
  return Response.json({
    ...facts,
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
    usage: usage((await stream.response).tokensUsed),
  });
}

async function* frames(
  stream: AgentStream,
  facts: CompletionFacts,
  withUsage: boolean,
): AsyncGenerator<string> {
  const frame = (chunk: object): string =>
    `data: ${JSON.stringify({ ...facts, object: 'chat.completion.chunk', ...chunk })}\n\n`;
  const choice = (delta: object, reason: string | null = null): object => ({
    choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }],
  });
  try {
    yield frame(choice({ role: 'assistant', content: '' }));
    for await (const value of stream) {
      yield frame(choice({ content: typeof value === 'string' ? value : JSON.stringify(value) }));
    }
    yield frame(choice({}, 'stop'));
    if (withUsage) yield frame({ choices: [], usage: usage((await stream.response).tokensUsed) });
    yield 'data: [DONE]\n\n';
  } catch (error) {
    // No [DONE] after it: what came is not the whole answer.
    const { error: message, error_type: code } = toldOutside(error);
    yield `data: ${JSON.stringify({ error: { message, code, type: 'server_error', param: null } })}\n\n`;
  }
}

/** An agent says how many tokens it used, and not for what. */
function usage(tokensUsed: number | undefined): object | undefined {
  if (tokensUsed === undefined) return undefined;
  return { prompt_tokens: 0, completion_tokens: tokensUsed, total_tokens: tokensUsed };
}

/** What the agent says keeps its status; what goes wrong on the way to it is a bad gateway's. */
function failure(error: unknown): Response {
  const { error: message, error_type: code } = toldOutside(error);
  const told =
    ValidationError.isInstance(error) ||
    RateLimitError.isInstance(error) ||
    (InvocationError.isInstance(error) && error.outcome === 'failed');
  const status = told ? (error.status ?? 500) : 502;
  return refusal(status, code, message, AgentRuntimeError.isInstance(error) && error.retryable);
}

/** OpenAI's clients send a failed request again by themselves, which would run the agent again, unless told not to. */
function refusal(status: number, code: string, message: string, retryable = false): Response {
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  const headers = { 'x-should-retry': String(retryable) };
  return Response.json({ error: { message, type, code, param: null } }, { status, headers });
}
