import type { UIMessageChunk } from 'ai';
import * as z from 'zod';

const text = z.string();
const flag = z.boolean().optional();
const metadata = z.record(z.string(), z.unknown()).optional();
/** JSON drops what is undefined, and then the AI SDK misses it. */
const present = (key: string) => [(value: object) => key in value, `has no ${key}`] as const;

const part = { id: text, providerMetadata: metadata };
const delta = { ...part, delta: text };
const call = { toolCallId: text, providerExecuted: flag, providerMetadata: metadata, dynamic: flag };
const namedCall = { ...call, toolName: text, title: text.optional() };
const file = { url: text, mediaType: text, providerMetadata: metadata };
const message = { messageMetadata: z.unknown().optional() };

/**
 * The fields by which each chunk of the AI SDK's UI message stream is known, in all of its majors from 5 on
 * (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol). The SDK ends a chat at a chunk that lacks one, so what lacks one
 * is taken for the agent's own value.
 */
const schemas: Record<string, z.ZodType> = {
  start: z.looseObject({ messageId: text.optional(), ...message }),
  finish: z.looseObject({ finishReason: text.optional(), ...message }),
  'start-step': z.looseObject({}),
  'finish-step': z.looseObject({}),
  'reset-step': z.looseObject({}),
  abort: z.looseObject({ reason: text.optional() }),
  error: z.looseObject({ errorText: text }),
  'message-metadata': z.looseObject({ messageMetadata: z.unknown() }).refine(...present('messageMetadata')),
  'text-start': z.looseObject(part),
  'text-delta': z.looseObject(delta),
  'text-end': z.looseObject(part),
  'reasoning-start': z.looseObject(part),
  'reasoning-delta': z.looseObject(delta),
  'reasoning-end': z.looseObject(part),
  'tool-input-start': z.looseObject(namedCall),
  'tool-input-delta': z.looseObject({ toolCallId: text, inputTextDelta: text }),
  'tool-input-available': z.looseObject(namedCall).refine(...present('input')),
  'tool-input-error': z.looseObject({ ...namedCall, errorText: text }).refine(...present('input')),
  'tool-output-available': z.looseObject({ ...call, preliminary: flag }).refine(...present('output')),
  'tool-output-error': z.looseObject({ ...call, errorText: text }),
  'tool-output-denied': z.looseObject({ toolCallId: text }),
  'tool-approval-request': z.looseObject({ approvalId: text, toolCallId: text }),
  'tool-approval-response': z.looseObject({ approvalId: text, approved: z.boolean() }),
  'source-url': z.looseObject({
    sourceId: text,
    url: text,
    title: text.optional(),
    providerMetadata: metadata,
  }),
  'source-document': z.looseObject({
    sourceId: text,
    mediaType: text,
    title: text,
    providerMetadata: metadata,
  }),
  file: z.looseObject(file),
  'reasoning-file': z.looseObject(file),
  custom: z.looseObject({ kind: text, providerMetadata: metadata }),
  'steering-message': z.looseObject({ id: text, parts: z.array(z.looseObject({ type: text })) }),
};

const dataPart = z.looseObject({ id: text.optional(), transient: flag }).refine(...present('data'));

/** A value that says what kind it is. */
export type Typed = Record<string, unknown> & { type: string };

/** Whether a value says what kind it is. */
export function isTyped(value: unknown): value is Typed {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Whether a value is a chunk of the AI SDK's, by all that its kind must have. */
export function isChunk(value: Typed): value is Typed & UIMessageChunk {
  const { type } = value;
  const schema = type.startsWith('data-')
    ? dataPart
    : Object.hasOwn(schemas, type)
      ? schemas[type]
      : undefined;
  return schema?.safeParse(value).success ?? false;
}
