import { RequestError } from '../errors/request-error.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a request body as JSON, whatever its content type says; an empty one is `{}` (contract, section 2). */
export function parseBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new RequestError(400, 'InvalidEncodingError', 'Invalid encoding: the body is not UTF-8.');
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new RequestError(400, 'InvalidJSONError', `Invalid JSON: ${message}`, { cause });
  }
}
