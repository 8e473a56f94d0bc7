import { type InvocationRequest, ValidationError } from '@sandpiper/protocol';

/** What an agent can be asked with: a text, sent as `{ prompt }`; an object, sent as it is; or the bytes of JSON. */
export type InvocationInput = string | InvocationRequest | object;

/**
 * Writes the body of an invocation.
 *
 * @throws ValidationError when the input is no JSON object, holds what JSON would lose without a word, or is bytes and no JSON.
 */
export function encodeInput(input: InvocationInput): string {
  const value: unknown = typeof input === 'string' ? { prompt: input } : input;
  if (typeof value !== 'object' || value === null) {
    throw new ValidationError(
      `A request is a text or an object, not ${value === null ? 'null' : typeof value}.`,
    );
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return decodeJson(value);
  const json = encode(value);
  const lost = isPlain(value, json) ? findLost(value, []) : { path: [], kind: value.constructor?.name };
  if (!lost) return json;
  const where = lost.path.length > 0 ? `${lost.path.join('.')} is` : 'It is';
  throw new ValidationError(
    `The request cannot be written as JSON without loss. ${where} a ${lost.kind}: a request is made of plain objects, arrays, texts, numbers, booleans and null.`,
    { issues: [{ path: lost.path, message: `is a ${lost.kind}, which JSON has no word for` }] },
  );
}

/** A payload in AgentCore's terms, where a text is JSON as a rule; a text that is no JSON object is a prompt. */
export function readPayload(payload: InvocationInput): InvocationInput {
  if (typeof payload !== 'string' || !payload.trimStart().startsWith('{')) return payload;
  try {
    return JSON.parse(payload);
  } catch {
    return payload;
  }
}

function encode(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ValidationError(`The request cannot be written as JSON: ${reason}`, { cause: error });
  }
}

function decodeJson(value: ArrayBuffer | ArrayBufferView): string {
  const bytes =
    value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    JSON.parse(text);
    return text;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ValidationError(`A request of bytes must be JSON in UTF-8, and this is not: ${reason}`, {
      cause: error,
    });
  }
}

/** An object literal of whichever realm, an array, or what says itself how it is written as an object. */
function isPlain(value: object, json: string | undefined): boolean {
  if (Array.isArray(value)) return true;
  if ('toJSON' in value) return json?.startsWith('{') === true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What JSON takes for an object without fields, or with fields that are not what it holds. */
interface Lost {
  path: (string | number)[];
  kind: string;
}

/** What JSON writes as it is. An instance of the user's own class is an `Object` here, as it is there. */
const written = new Set(['Object', 'Array', 'String', 'Number', 'Boolean']);

/** Looks for what would be lost, in what JSON has written already and so has no circles. */
function findLost(value: object, path: (string | number)[]): Lost | undefined {
  if ('toJSON' in value) return undefined;
  // `Map`, `Uint8Array`, `Promise`.
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (!written.has(kind)) return { path, kind };
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== 'object' || item === null) continue;
    const lost = findLost(item, [...path, Array.isArray(value) ? Number(key) : key]);
    if (lost) return lost;
  }
  return undefined;
}
