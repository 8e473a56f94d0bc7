import type { UIMessageChunk } from 'ai';
import type { Typed } from './chunk-schema.js';

type Convert = (part: Typed, onError: (error: unknown) => string) => object | undefined;

/** Fields that a part of a tool call and its chunk have alike. */
function callOf(part: Typed): object {
  const kept = ['toolCallId', 'toolName', 'providerExecuted', 'providerMetadata', 'dynamic', 'title'];
  return Object.fromEntries(kept.filter((key) => part[key] != null).map((key) => [key, part[key]]));
}

const withText: Convert = ({ type, id, text, providerMetadata }) =>
  typeof text === 'string'
    ? { type, id, delta: text, ...(providerMetadata != null && { providerMetadata }) }
    : undefined;

const fileOf: Convert = ({ type, file, providerMetadata }) => {
  const { base64Data, uint8ArrayData, base64 = base64Data ?? uint8ArrayData, mediaType } = Object(file);
  // Its bytes are behind getters, which JSON does not see; of its fields it has the one or the other.
  if (typeof base64 !== 'string' || typeof mediaType !== 'string') return undefined;
  const url = `data:${mediaType};base64,${base64}`;
  return { type, url, mediaType, ...(providerMetadata != null && { providerMetadata }) };
};

/**
 * How parts of the AI SDK's `fullStream` are said in its UI message stream, for those that are said otherwise there
 * (https://ai-sdk.dev/docs/reference/ai-sdk-core/stream-text). What models and providers say of themselves (requests,
 * usage) stays on the server, as it does in the SDK's own conversion.
 */
const conversions: Record<string, Convert> = {
  'text-delta': withText,
  'reasoning-delta': withText,
  'tool-input-start': ({ type, id, ...rest }) =>
    typeof id === 'string' ? { ...callOf({ type, ...rest }), type, toolCallId: id } : undefined,
  'tool-input-delta': ({ type, id, delta }) => ({ type, toolCallId: id, inputTextDelta: delta }),
  'tool-call': (part, onError) =>
    part.invalid === true
      ? { ...callOf(part), type: 'tool-input-error', input: part.input, errorText: onError(part.error) }
      : { ...callOf(part), type: 'tool-input-available', input: part.input },
  'tool-result': ({ output = null, preliminary, toolName, ...part }) => ({
    ...callOf(part as Typed),
    type: 'tool-output-available',
    output,
    ...(preliminary != null && { preliminary }),
  }),
  'tool-error': ({ toolName, error, ...part }, onError) => ({
    ...callOf(part as Typed),
    type: 'tool-output-error',
    errorText: onError(error),
  }),
  'tool-approval-request': ({ type, approvalId, toolCall }) => ({
    type,
    approvalId,
    toolCallId: Reflect.get(Object(toolCall), 'toolCallId'),
  }),
  source: ({ sourceType, id, url, title, mediaType, filename }) =>
    sourceType === 'url'
      ? { type: 'source-url', sourceId: id, url, ...(title != null && { title }) }
      : { type: 'source-document', sourceId: id, mediaType, title, ...(filename != null && { filename }) },
  file: fileOf,
  'reasoning-file': fileOf,
  error: (part, onError) => ('error' in part ? { type: 'error', errorText: onError(part.error) } : undefined),
};

/** Parts that say nothing to a reader of the message. */
const silent = new Set(['tool-input-end', 'raw']);

/** Whether a value is a part of a `fullStream` that no chunk stands for. */
export function isSilentPart(value: Typed): boolean {
  return silent.has(value.type) && ('id' in value || 'rawValue' in value);
}

/** What a part of a `fullStream` is as a chunk; undefined for one that is the same in both, or is none. */
export function fromFullStream(
  part: Typed,
  onError: (error: unknown) => string,
): (Typed & Partial<UIMessageChunk>) | undefined {
  if (!Object.hasOwn(conversions, part.type)) return undefined;
  return conversions[part.type]?.(part, onError) as (Typed & Partial<UIMessageChunk>) | undefined;
}
