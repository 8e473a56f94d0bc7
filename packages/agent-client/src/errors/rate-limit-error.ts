import type { AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import { AgentClientError } from './agent-client-error.js';

/** The platform or the agent takes no more requests for now. */
export class RateLimitError extends AgentClientError {
  static override readonly kind: string = 'RateLimitError';
  override readonly code = 'rate_limited' as const;
  /** How long the server asked to wait, in milliseconds, when it said. */
  declare readonly retryAfterMs?: number;

  constructor(
    message: string,
    options: AgentRuntimeErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}
