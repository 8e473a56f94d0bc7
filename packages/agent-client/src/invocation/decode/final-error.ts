import type { ErrorPayload } from '@sandpiper/protocol';
import type { AnswerSink } from './response-decoder.js';

/**
 * For streams of agents that have no frame of their own for an error: a value that looks like one is an error only when
 * nothing follows it. The same value in the middle of a stream is a value, whatever it looks like.
 */
export function readingFinalError(sink: AnswerSink): AnswerSink {
  let held: { value: unknown; error: ErrorPayload } | undefined;
  const release = (): void => {
    const { value } = held ?? {};
    if (held) sink.value(value);
    held = undefined;
  };
  return {
    value(value) {
      release();
      const error = errorIn(value);
      if (error) held = { value, error };
      else sink.value(value);
    },
    done(payload) {
      if (held) sink.failed(held.error);
      else sink.done(payload);
    },
    failed(payload) {
      release();
      sink.failed(payload);
    },
    alive: () => sink.alive(),
    whole: (value) => sink.whole(value),
  };
}

/** How agents end a stream that failed: ours in plain frames and AgentCore's, PPIO's, OpenAI's, AG-UI's. */
function errorIn(value: unknown): ErrorPayload | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('type' in value && value.type === 'RUN_ERROR' && 'message' in value) {
    return typeof value.message === 'string'
      ? { error: value.message, error_type: codeOf(value) }
      : undefined;
  }
  if (!('error' in value)) return undefined;
  const { error } = value;
  const isOnly = Object.keys(value).length === 1;
  if (typeof error === 'string') {
    const type = 'error_type' in value ? value.error_type : undefined;
    if (typeof type === 'string') return { error, error_type: type };
    return isOnly ? { error } : undefined;
  }
  if (!isOnly || typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? { error: error.message, error_type: codeOf(error) } : undefined;
}

/** OpenAI's errors have a type and perhaps a code, AG-UI's a code. */
function codeOf(error: object): string | undefined {
  const name: unknown = 'code' in error && error.code != null ? error.code : Reflect.get(error, 'type');
  return typeof name === 'string' && name !== 'RUN_ERROR' ? name : undefined;
}
