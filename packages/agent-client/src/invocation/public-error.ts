import { AgentRuntimeError, ValidationError } from '@sandpiper/protocol';
import { InvocationError } from '../errors/invocation-error.js';

/**
 * What of an error may be told to somebody at the other end of a handed-on stream: the agent's own words, and of all
 * else only its kind. Messages about connections name hosts and sandboxes.
 */
export function publicError(error: unknown): { error: string; error_type: string } {
  if (!AgentRuntimeError.isInstance(error))
    return { error: 'The stream was aborted.', error_type: 'AbortError' };
  if (ValidationError.isInstance(error)) return { error: error.message, error_type: error.name };
  if (InvocationError.isInstance(error) && error.outcome === 'failed') {
    return { error: error.message, error_type: error.errorType ?? error.name };
  }
  return { error: `The answer could not be completed (${error.code}).`, error_type: error.name };
}
