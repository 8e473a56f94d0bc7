import { isRefusal, ValidationError } from '@sandpiper/protocol';
import { RequestError } from './request-error.js';

/** What a caller gets to know of an error. */
export interface ErrorDescription {
  status: number;
  message: string;
  type: string;
  details?: unknown;
  stack?: string | undefined;
  headers: Readonly<Record<string, string>>;
}

const noHeaders: Readonly<Record<string, string>> = {};

/** Reads whatever a handler threw; handlers may throw anything, so nothing here may throw again. */
export function describeError(thrown: unknown): ErrorDescription {
  try {
    if (!(thrown instanceof Error)) {
      return { status: 500, message: textOf(thrown), type: 'Error', headers: noHeaders };
    }
    const details = ValidationError.isInstance(thrown) ? thrown.issues : undefined;
    return {
      status: statusOf(thrown),
      message: String(thrown.message),
      type: typeOf(thrown),
      ...(details && { details }),
      stack: thrown.stack,
      headers: RequestError.isInstance(thrown) ? thrown.headers : noHeaders,
    };
  } catch {
    return { status: 500, message: 'The error cannot be read.', type: 'Error', headers: noHeaders };
  }
}

/** An error as the fields of a log line, its stack among them. */
export function failureFields(thrown: unknown): Record<string, unknown> {
  const { message, type, stack } = describeError(thrown);
  return { error: message, error_type: type, stack };
}

function textOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return String(thrown);
  return 'message' in thrown ? String(thrown.message) : (JSON.stringify(thrown) ?? String(thrown));
}

/** An error that carries a `status` of 400–599 keeps it (docs/wire-protocol.md, "Responses"). */
function statusOf(error: Error): number {
  const status: unknown = 'status' in error ? error.status : undefined;
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599
    ? status
    : 500;
}

function typeOf(error: Error): string {
  if (RequestError.isInstance(error)) return error.type;
  const name = error.name === 'Error' ? error.constructor.name || 'Error' : String(error.name);
  // A handler's failure must not be taken for a refusal of the runtime's, after which nothing has run.
  return isRefusal(name) ? 'Error' : name;
}
