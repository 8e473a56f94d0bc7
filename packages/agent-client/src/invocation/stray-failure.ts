import { type AgentRuntimeErrorOptions, headers } from '@sandpiper/protocol';
import { describeBody } from '../describe-body.js';
import { AuthenticationError } from '../errors/authentication-error.js';
import { InvocationError } from '../errors/invocation-error.js';
import { RateLimitError } from '../errors/rate-limit-error.js';
import type { TransportResponse } from '../transport/transport.js';
import { AttemptFailure } from './attempt-failure.js';
import { parseRetryAfter } from './retry-after.js';

/**
 * Something between answered in the place of an agent that is known: whether the invocation runs, or has run, is not
 * known from it, whatever it says.
 */
export function strayFailure(
  response: TransportResponse,
  text: string,
  options: AgentRuntimeErrorOptions,
): AttemptFailure {
  const { status } = response;
  const whose =
    response.header(headers.runtimeInstance) === undefined
      ? 'it has no X-Runtime-Instance, so a proxy or gateway sent it'
      : 'it belongs to another invocation, as a cache’s copy does';
  const type = response.header('content-type') ?? 'no content type';
  const message = `A response of status ${status} (${type})${describeBody(text)}. It is not the agent's: ${whose}.`;
  const facts = { ...options, status };
  if (status === 401 || status === 403) {
    return new AttemptFailure(new AuthenticationError(message, facts), 'never', { stray: true });
  }
  const retryAfterMs = parseRetryAfter(response.header('retry-after'));
  const error =
    status === 429
      ? new RateLimitError(message, { ...facts, retryAfterMs })
      : new InvocationError(message, { ...facts, outcome: 'unknown' });
  return new AttemptFailure(error, 'with-key', { retryAfterMs, stray: true });
}
