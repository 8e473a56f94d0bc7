import type { AgentStream } from '../../invocation/agent-stream.js';
import { toEventResponse } from '../../invocation/event-stream.js';
import { ChatAnswer, joinDeltas } from './chat-answer.js';
import { ChatRefusal, errorResponse, toChatError } from './chat-errors.js';
import { type ChatRequest, readChat, toChatRequest } from './chat-request.js';

/** How an agent is served as a model. */
export interface ChatCompletionsOptions {
  /**
   * Has the agent answer one chat. A value of the agent's that is a string is text; one that is a message of OpenAI's
   * (`{ role: 'assistant', content, tool_calls }`, or `tool_calls` alone), a chunk or a completion of its API is that; any
   * other is text as JSON. How many tokens it used is what it says with `context.usage`, or a `usage` of OpenAI's.
   */
  answer: (
    chat: ChatRequest,
    context: { request: Request; signal: AbortSignal },
  ) => AgentStream | Promise<AgentStream>;
  /** The names that are served, and that `GET /models` lists; any other is a 404. Default: `['agent']`. */
  models?: readonly string[] | undefined;
  /**
   * What a caller hears of an error of the agent's own, which may hold what is not for every caller.
   * Default: "An error occurred."
   */
  onError?: ((error: unknown) => string) | undefined;
}

const generalSentence = (): string => 'An error occurred.';

/**
 * Serves an agent as OpenAI chat completions, streaming and not, for any client of that API. Who may call it is for the
 * server around it to decide.
 *
 * What the agent refuses for now is a 429 or 503 with `Retry-After`; what cannot be honoured (`n` above 1, `logprobs`,
 * `audio`, `functions`, `store`) a 400 that names the field.
 *
 * @example
 * const handler = createChatCompletions({
 *   models: ['writer'],
 *   answer: (chat, { signal }) => session.stream(chat.request, { signal }),
 * });
 * serve({ fetch: handler, port: 3000 }); // new OpenAI({ baseURL: 'http://localhost:3000/v1' })
 */
export function createChatCompletions(
  options: ChatCompletionsOptions,
): (request: Request) => Promise<Response> {
  const { answer, models = ['agent'], onError = generalSentence } = options;
  const complete = async (request: Request): Promise<Response> => {
    const body = readChat(await request.json().catch(() => undefined));
    requireModel(models, body.model, 'model');
    const stream = await answer(toChatRequest(body), { request, signal: request.signal });
    const facts = {
      id: `chatcmpl-${stream.invocationId}`,
      created: Math.floor(Date.now() / 1000),
      model: body.model,
    };
    if (!body.stream) return whole(stream, facts);
    const withUsage = body.stream_options?.include_usage ?? false;
    return toEventResponse(frames(stream, facts, { withUsage, onError }), () => stream.cancel(), {}, {});
  };
  return async (request) => {
    try {
      const { pathname } = new URL(request.url);
      const path = pathname.replace(/\/+$/, '');
      const [, id] = /\/models(?:\/(.+))?$/.exec(path) ?? [];
      if (request.method === 'GET' && path.endsWith('/models')) {
        return Response.json({ object: 'list', data: models.map(modelOf) });
      }
      if (request.method === 'GET' && id !== undefined) {
        return Response.json(modelOf(requireModel(models, decodeURIComponent(id), 'model')));
      }
      if (request.method === 'POST' && path.endsWith('/chat/completions')) return await complete(request);
      throw new ChatRefusal(404, 'not_found', `There is no ${request.method} ${pathname} here.`);
    } catch (error) {
      return errorResponse(toChatError(error, onError));
    }
  };
}

function modelOf(id: string): object {
  return { id, object: 'model', created: 0, owned_by: 'sandpiper' };
}

/** @throws ChatRefusal 404 */
function requireModel(models: readonly string[], id: string, param: string): string {
  if (models.includes(id)) return id;
  throw new ChatRefusal(404, 'model_not_found', `The model "${id}" does not exist here.`, param);
}

interface CompletionFacts {
  id: string;
  created: number;
  model: string;
}

async function whole(stream: AgentStream, facts: CompletionFacts): Promise<Response> {
  const answer = new ChatAnswer(`call-${stream.invocationId}`);
  const deltas = [];
  for await (const value of stream) deltas.push(answer.delta(value) ?? {});
  return Response.json({
    ...facts,
    object: 'chat.completion',
    choices: [{ index: 0, message: joinDeltas(deltas), finish_reason: answer.finishReason, logprobs: null }],
    usage: answer.usage((await stream.response).tokensUsed),
  });
}

async function* frames(
  stream: AgentStream,
  facts: CompletionFacts,
  { withUsage, onError }: { withUsage: boolean; onError: (error: unknown) => string },
): AsyncGenerator<string> {
  const answer = new ChatAnswer(`call-${stream.invocationId}`);
  const frame = (choices: object[], usage: object | null = null): string => {
    const chunk = { ...facts, object: 'chat.completion.chunk', choices, ...(withUsage && { usage }) };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  };
  const choice = (delta: object, reason: string | null = null): object[] => [
    { index: 0, delta, finish_reason: reason, logprobs: null },
  ];
  try {
    yield frame(choice({ role: 'assistant', content: '' }));
    for await (const value of stream) {
      const delta = answer.delta(value);
      if (delta) yield frame(choice(delta));
    }
    yield frame(choice({}, answer.finishReason));
    if (withUsage) {
      const nothing = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
      yield frame([], answer.usage((await stream.response).tokensUsed) ?? nothing);
    }
    yield 'data: [DONE]\n\n';
  } catch (error) {
    // No [DONE] after it: what came is not the whole answer.
    yield `data: ${JSON.stringify({ error: toChatError(error, onError).error })}\n\n`;
  }
}
