import { AgentRuntimeError, ValidationError } from '@sandpiper/protocol';
import { InvocationError } from '../../errors/invocation-error.js';
import { QuotaExceededError } from '../../errors/quota-exceeded-error.js';
import { RateLimitError } from '../../errors/rate-limit-error.js';

/** When a server that refused for now, and did not say for how long, is worth another try. */
const defaultRetryAfterSeconds = 1;

/** A request that does not reach the agent. */
export class ChatRefusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param?: string,
  ) {
    super(message);
  }
}

/** An error in the words of OpenAI's API. */
export interface ChatError {
  status: number;
  error: { message: string; type: string; code: string; param: string | null };
  /** Whether the same request may be sent again: it has not run. */
  retryable: boolean;
  retryAfterSeconds?: number;
}

/**
 * What a caller hears of an error. The agent's own is worded by `onError`; of what goes wrong on the way to it only the kind is
 * told, since messages about connections name hosts and sandboxes.
 */
export function toChatError(error: unknown, onError: (error: unknown) => string): ChatError {
  if (error instanceof ChatRefusal) {
    return chatError(error.status, error.code, error.message, { param: error.param });
  }
  if (ValidationError.isInstance(error)) return chatError(400, 'invalid_request', error.message);
  if (InvocationError.isInstance(error) && error.outcome === 'failed') {
    return chatError(500, 'agent_failed', onError(error));
  }
  const isLimit = RateLimitError.isInstance(error);
  if (isLimit || QuotaExceededError.isInstance(error)) {
    const message = 'The agent takes no more requests for now.';
    const afterMs = isLimit ? error.retryAfterMs : undefined;
    return chatError(429, 'rate_limit_exceeded', message, { retryable: isLimit, afterMs });
  }
  if (!AgentRuntimeError.isInstance(error)) return chatError(500, 'agent_failed', onError(error));
  // The runtime refused it, or nothing of it arrived: it has not run.
  if (InvocationError.isInstance(error) && error.outcome === 'not_run') {
    return chatError(503, 'agent_unavailable', 'The agent is not available now.', { retryable: true });
  }
  const message = `The answer could not be completed (${error.code}).`;
  return chatError(502, error.code, message, { retryable: error.retryable });
}

function chatError(
  status: number,
  code: string,
  message: string,
  {
    param,
    retryable = false,
    afterMs,
  }: { param?: string | undefined; retryable?: boolean; afterMs?: number | undefined } = {},
): ChatError {
  const type = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error';
  const error = { message, type, code, param: param ?? null };
  if (status !== 429 && status !== 503) return { status, error, retryable };
  const retryAfterSeconds = afterMs === undefined ? defaultRetryAfterSeconds : Math.ceil(afterMs / 1000);
  return { status, error, retryable, retryAfterSeconds };
}

/** OpenAI's clients send a failed request again by themselves, which would run the agent again, unless told not to. */
export function errorResponse({ status, error, retryable, retryAfterSeconds }: ChatError): Response {
  const headers = new Headers({ 'x-should-retry': String(retryable) });
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
  return Response.json({ error }, { status, headers });
}
