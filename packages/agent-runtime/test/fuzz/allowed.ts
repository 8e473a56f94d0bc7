import { createFrameDecoder, errorPayloadSchema } from '@sandpiper/protocol';
import { expect } from 'vitest';
import type { RawResponse } from './wire.js';

/** The statuses of the wire protocol, of a handler that only gives back, and of requests that are no HTTP (400, 408, 417, 431). */
const statuses = [200, 202, 204, 400, 404, 405, 408, 409, 410, 413, 417, 422, 431, 500, 503];

/** Every header an answer may have. One more would have been put in by a request. */
const headers = [
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
  'allow',
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'retry-after',
  'sec-websocket-version',
  'transfer-encoding',
  'vary',
  'x-accel-buffering',
  'x-invocation-id',
  'x-request-id',
  'x-runtime-instance',
  'x-stream-protocol',
];

/** What nobody outside may see: where the files of this machine are, and the lines of a stack. */
const inside = [process.cwd(), 'node:internal', 'file://', /\n +at /, /\.[mc]?[jt]s:\d+/];

/** Fails unless the wire protocol allows the answer to a request that may be anything. */
export function expectAllowed(response: RawResponse): void {
  // One assertion an answer: each costs more than the request.
  expect([...violations(response)].join(', ')).toBe('');
}

function* violations({ status, headers: given, body }: RawResponse): Generator<string> {
  if (status === 101) return;
  if (!statuses.includes(status)) yield `status ${status}`;
  for (const name of given.keys()) if (!headers.includes(name)) yield `header ${name}`;
  for (const [name, values] of given) if (values.length > 1) yield `${name} ${values.length} times`;
  if (status === 405 && !given.get('allow')?.[0]?.includes('OPTIONS'))
    yield '405 that does not say what is allowed';
  if (status === 503 && !given.has('retry-after')) yield '503 that does not say when to come back';
  if (status === 204 && given.has('content-length')) yield '204 with a length';
  const type = given.get('content-type')?.[0] ?? '';
  const text = body.toString();
  if (status >= 400) yield* errorViolations(status, type, text);
  else if (type.startsWith('text/event-stream')) readFrames(body);
  else if (type.startsWith('application/json') && text !== '') JSON.parse(text);
}

function* errorViolations(status: number, type: string, text: string): Generator<string> {
  const seen = inside.filter((part) => (typeof part === 'string' ? text.includes(part) : part.test(text)));
  if (seen.length > 0) yield `the inside is seen: ${seen}`;
  if (text === '') return;
  if (type !== 'application/json; charset=utf-8') yield `error as ${type}`;
  const error: unknown = JSON.parse(text);
  const { error: message, error_type: errorType } = errorPayloadSchema.parse(error);
  if (message === '' || !errorType) yield 'error without words';
  const { result, status: word } = Object(error);
  if (result !== null || word !== 'error') yield 'error without its envelope';
  // The agent throws nothing: only what is nested too deep to be written is beyond it.
  if (status === 500 && errorType !== 'RangeError') yield `a failing of the server: ${errorType}`;
}

function readFrames(body: Buffer): void {
  const decoder = createFrameDecoder({ onFrame: ({ data }) => JSON.parse(data) });
  decoder.push(body);
}
