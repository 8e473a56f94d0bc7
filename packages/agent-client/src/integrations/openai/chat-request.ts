import type { InvocationRequest } from '@sandpiper/protocol';
import * as z from 'zod';
import { ChatRefusal } from './chat-errors.js';

/** A message of a chat, its text alone. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** What a caller of the chat completions API asks for. */
export interface ChatRequest {
  /** One of the `models` of the handler. */
  model: string;
  messages: ChatMessage[];
  /**
   * The same as a request to an agent: the last user message's text as `prompt`, the texts of all messages as
   * `data.messages`, and everything the caller sent, images, tools and all, as `data.request`.
   */
  request: InvocationRequest;
}

const partSchema = z.looseObject({ type: z.string(), text: z.string().optional() });

/** A request of the chat completions API, as far as this handler reads it; all else is in it too. */
export interface ChatBody {
  model: string;
  messages: {
    role: string;
    content?: string | { type: string; text?: string | undefined }[] | null | undefined;
  }[];
  stream?: boolean | null | undefined;
  stream_options?: { include_usage?: boolean | null | undefined } | null | undefined;
  max_tokens?: number | null | undefined;
  max_completion_tokens?: number | null | undefined;
  temperature?: number | null | undefined;
  user?: string | null | undefined;
  [field: string]: unknown;
}

const bodySchema: z.ZodType<ChatBody> = z.looseObject({
  model: z.string(),
  messages: z
    .array(z.looseObject({ role: z.string(), content: z.union([z.string(), z.array(partSchema)]).nullish() }))
    .min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.number().nullish(),
  max_completion_tokens: z.number().nullish(),
  temperature: z.number().nullish(),
  user: z.string().nullish(),
});

/** What no agent behind this handler can do, since its response has no place for it; all else is the agent's to honour. */
const unsupported: [param: string, asksForIt: (value: unknown) => boolean, why: string][] = [
  ['n', (value) => value !== 1, 'only one choice is made'],
  ['logprobs', (value) => value !== false, 'an agent has no log probabilities'],
  ['top_logprobs', (value) => value !== 0, 'an agent has no log probabilities'],
  ['audio', () => true, 'only text and tool calls are returned'],
  ['modalities', (value) => String(value) !== 'text', 'only text and tool calls are returned'],
  ['functions', () => true, 'it is deprecated: use "tools"'],
  ['function_call', () => true, 'it is deprecated: use "tool_choice"'],
  ['store', (value) => value !== false, 'completions are not kept'],
];

/** @throws ChatRefusal 400, naming the field, for what is no chat or cannot be honoured. */
export function readChat(value: unknown): ChatBody {
  const body = bodySchema.safeParse(value);
  if (!body.success) {
    const [issue] = body.error.issues;
    const param = issue?.path.join('.') || undefined;
    throw new ChatRefusal(400, 'invalid_request', `${param ?? 'body'}: ${issue?.message}`, param);
  }
  for (const [param, asksForIt, why] of unsupported) {
    const given = body.data[param];
    if (given === undefined || given === null || !asksForIt(given)) continue;
    const code = 'unsupported_parameter';
    throw new ChatRefusal(400, code, `${param}: ${JSON.stringify(given)} is not supported: ${why}.`, param);
  }
  return body.data;
}

export function toChatRequest(body: ChatBody): ChatRequest {
  const messages = body.messages.map(({ role, content }) => ({ role, content: textOf(content) }));
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return {
    model: body.model,
    messages,
    request: {
      prompt: messages.findLast(({ role }) => role === 'user')?.content ?? '',
      data: { messages, request: body },
      stream: body.stream ?? false,
      ...(maxTokens != null && { max_tokens: maxTokens }),
      ...(body.temperature != null && { temperature: body.temperature }),
      ...(body.user != null && { user_id: body.user }),
    },
  };
}

function textOf(content: ChatBody['messages'][number]['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text = '' }) => text).join('');
}
