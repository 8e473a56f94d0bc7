import * as z from 'zod';

const toolCallSchema = z.looseObject({
  index: z.int().optional(),
  id: z.string().optional(),
  type: z.string().optional(),
  function: z.looseObject({ name: z.string().optional(), arguments: z.unknown().optional() }),
});
/** Tokens, as OpenAI's API counts them. */
export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens?: number | undefined;
  [detail: string]: unknown;
}

const usageSchema: z.ZodType<ChatUsage> = z.looseObject({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  total_tokens: z.number().optional(),
});
const messageFields = {
  content: z.string().nullish(),
  tool_calls: z.array(toolCallSchema).min(1).optional(),
  usage: usageSchema.nullish(),
};
/** A message as OpenAI has it. Its role, its calls or its usage tell it from another value of an agent's. */
const messageSchema = z
  .looseObject({ role: z.literal('assistant').optional(), ...messageFields })
  .refine(({ role, tool_calls, usage }) => role !== undefined || tool_calls !== undefined || usage != null);
const finish = { finish_reason: z.string().nullish() };
/** A response of OpenAI's API that an agent hands on, whole or in chunks. */
const completionSchema = z.looseObject({
  object: z.literal('chat.completion'),
  choices: z.array(z.looseObject({ message: z.looseObject(messageFields), ...finish })),
  usage: usageSchema.nullish(),
});
const chunkSchema = z.looseObject({
  object: z.literal('chat.completion.chunk'),
  choices: z.array(z.looseObject({ delta: z.looseObject(messageFields), ...finish })),
  usage: usageSchema.nullish(),
});

type Delta = Record<string, unknown>;
type ToolCall = z.output<typeof toolCallSchema>;

/** Makes one choice of an agent's values, whichever they are. */
export class ChatAnswer {
  readonly #idPrefix: string;
  #toolCalls = 0;
  #finishReason: string | undefined;
  #usage: ChatUsage | undefined;

  /** @param idPrefix - Begins the ids of tool calls that the agent gave none. */
  constructor(idPrefix: string) {
    this.#idPrefix = idPrefix;
  }

  /** Why the agent ended: what it said itself, else for its tool calls, else by itself. */
  get finishReason(): string {
    return this.#finishReason ?? (this.#toolCalls > 0 ? 'tool_calls' : 'stop');
  }

  /** @param tokensUsed - What the runtime was told, of which it is not known for what. */
  usage(tokensUsed: number | undefined): ChatUsage | undefined {
    const { prompt_tokens, completion_tokens } = this.#usage ?? {};
    if (prompt_tokens !== undefined && completion_tokens !== undefined) {
      return {
        ...this.#usage,
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
      };
    }
    if (tokensUsed === undefined) return undefined;
    return { prompt_tokens: 0, completion_tokens: tokensUsed, total_tokens: tokensUsed };
  }

  /** What a value of the agent's adds to the message; undefined for nothing. */
  delta(value: unknown): Delta | undefined {
    // An agent that returns nothing says nothing.
    if (value === null || value === undefined) return undefined;
    if (typeof value === 'string') return { content: value };
    const chunk = chunkSchema.safeParse(value);
    if (chunk.success) return this.#ofChoice(chunk.data.choices[0]?.delta, chunk.data);
    const completion = completionSchema.safeParse(value);
    if (completion.success) return this.#ofChoice(completion.data.choices[0]?.message, completion.data);
    const message = messageSchema.safeParse(value);
    if (message.success) return this.#ofMessage(message.data);
    return { content: JSON.stringify(value) };
  }

  #ofChoice(
    delta: Delta | undefined,
    {
      choices,
      usage,
    }: { choices: { finish_reason?: string | null | undefined }[]; usage?: ChatUsage | null | undefined },
  ): Delta | undefined {
    this.#finishReason = choices[0]?.finish_reason ?? this.#finishReason;
    if (usage) this.#usage = usage;
    return delta && this.#ofMessage(delta);
  }

  #ofMessage({ role: _, usage, tool_calls: calls, ...rest }: Delta): Delta | undefined {
    if (usage) this.#usage = usage as ChatUsage;
    const delta = Object.fromEntries(Object.entries(rest).filter(([, part]) => part !== null));
    if (calls) delta.tool_calls = (calls as ToolCall[]).map((call) => this.#toolCall(call));
    return Object.keys(delta).length > 0 ? delta : undefined;
  }

  /** A part of a call goes on with the one of its index; a call without one is another. */
  #toolCall({ index = this.#toolCalls, id, type, function: called, ...rest }: ToolCall): object {
    const isNew = index >= this.#toolCalls;
    this.#toolCalls = Math.max(this.#toolCalls, index + 1);
    const { arguments: given = isNew ? '' : undefined, ...names } = called;
    const text = typeof given === 'string' || given === undefined ? given : JSON.stringify(given);
    return {
      ...rest,
      index,
      ...(isNew && { id: id ?? `${this.#idPrefix}-${index}`, type: type ?? 'function' }),
      function: { ...names, ...(text !== undefined && { arguments: text }) },
    };
  }
}

/** A whole message, of what its parts were. */
export function joinDeltas(deltas: Iterable<Delta>): Delta {
  const message: Delta = { role: 'assistant', content: null, refusal: null };
  const calls: { index: number; function: { arguments?: string } }[] = [];
  for (const { tool_calls: added = [], ...rest } of deltas) {
    for (const [name, part] of Object.entries(rest)) {
      const before = message[name];
      message[name] = typeof before === 'string' && typeof part === 'string' ? before + part : part;
    }
    for (const call of added as typeof calls) {
      const known = calls[call.index];
      if (!known) calls[call.index] = { ...call, function: { ...call.function } };
      else known.function.arguments = (known.function.arguments ?? '') + (call.function.arguments ?? '');
    }
  }
  const whole = calls.filter(Boolean).map(({ index: _, ...call }) => call);
  if (whole.length > 0) message.tool_calls = whole;
  else message.content ??= '';
  return message;
}
