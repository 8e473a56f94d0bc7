import type { AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import { AgentClientError } from './agent-client-error.js';
import type { InvocationOutcome } from './invocation-error.js';

/**
 * Which clock ran out: connecting, waiting for the first byte, silence between events, the whole call, or a request
 * to the platform.
 */
export type TimeoutCode =
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'call_timeout'
  | 'platform_timeout';

/** Something took longer than its option allows; `code` says which option. */
export class TimeoutError extends AgentClientError {
  static override readonly kind: string = 'TimeoutError';
  override readonly code: TimeoutCode;
  /** What is known about the invocation, where the clock was that of a call. */
  declare readonly outcome?: InvocationOutcome;

  constructor(
    code: TimeoutCode,
    message: string,
    options: AgentRuntimeErrorOptions & { outcome?: InvocationOutcome | undefined } = {},
  ) {
    super(message, options);
    this.code = code;
    if (options.outcome !== undefined) this.outcome = options.outcome;
  }
}
