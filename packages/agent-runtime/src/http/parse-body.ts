import { refusals } from '@sandpiper/protocol';
import { RequestError } from '../errors/request-error.js';

/** Reads a request body as JSON, whatever its content type says; an empty one is `{}` (docs/wire-protocol.md, "Requests"). */
export function parseBody(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new RequestError(400, refusals.invalidJson, `Invalid JSON: ${message}`, { cause });
  }
}
