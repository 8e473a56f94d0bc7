import { type InvocationRequest, ValidationError } from '@sandpiper/protocol';

/** What an agent can be asked with: a text, sent as `{ prompt }`, or an object, sent as it is. */
export type InvocationInput = string | InvocationRequest | object;

/**
 * Writes the body of an invocation.
 *
 * @throws ValidationError when the input is no JSON object.
 */
export function encodeInput(input: InvocationInput): string {
  const value: unknown = typeof input === 'string' ? { prompt: input } : input;
  if (typeof value !== 'object' || value === null) {
    throw new ValidationError(
      `A request is a text or an object, not ${value === null ? 'null' : typeof value}.`,
    );
  }
  try {
    return JSON.stringify(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ValidationError(`The request cannot be written as JSON: ${reason}`, { cause: error });
  }
}
