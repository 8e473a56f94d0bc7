/** The part of both kinds of iterator that a stream is read through. */
export interface AnyIterator {
  next(): IteratorResult<unknown> | Promise<IteratorResult<unknown>>;
  return?(): unknown;
}

/**
 * The iterator of a value that is to be streamed (docs/wire-protocol.md, "Responses"): generators, async and sync iterables and
 * readable streams, and what the AI SDK's `streamText` gives, but not arrays, strings, typed arrays, `Map` or `Set`, which are values.
 */
export function toIterator(value: unknown): AnyIterator | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (value instanceof ReadableStream) return readerIterator(value);
  if (isStreamTextResult(value)) return toIterator(value.toUIMessageStream());
  if (Symbol.asyncIterator in value && typeof value[Symbol.asyncIterator] === 'function') {
    return iteratorOf((value as AsyncIterable<unknown>)[Symbol.asyncIterator]());
  }
  if (Array.isArray(value) || value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)) {
    return undefined;
  }
  if (value instanceof String) return undefined;
  if (Symbol.iterator in value && typeof value[Symbol.iterator] === 'function') {
    return iteratorOf((value as Iterable<unknown>)[Symbol.iterator]());
  }
  return undefined;
}

/** @throws TypeError for what is no iterator: taken for a value, it would be a success. */
function iteratorOf(made: unknown): AnyIterator {
  if (typeof Object(made).next === 'function') return made as AnyIterator;
  throw new TypeError(`The value says that it is iterable, and gave ${String(made)}, which has no next().`);
}

/** What the AI SDK's `streamText` gives: by itself no stream, but it has several. A browser's chat reads this one. */
function isStreamTextResult(value: object): value is { toUIMessageStream(): unknown } {
  return (
    'fullStream' in value && 'toUIMessageStream' in value && typeof value.toUIMessageStream === 'function'
  );
}

/** Not every platform's `ReadableStream` is iterable. */
export function readerIterator(stream: ReadableStream<unknown>): AnyIterator {
  const reader = stream.getReader();
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? { done: true, value: undefined } : { done: false, value };
    },
    return: () => reader.cancel(),
  };
}
