import type { AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import { AgentClientError } from './agent-client-error.js';

/**
 * What is known about an invocation that did not succeed: `failed`, the agent responded with an error; `not_run`, the
 * agent refused it or never saw it; `unknown`, it may have run, be running still, or not have run at all.
 */
export type InvocationOutcome = 'failed' | 'not_run' | 'unknown';

/** Facts about a failed invocation. */
export interface InvocationErrorOptions extends AgentRuntimeErrorOptions {
  outcome: InvocationOutcome;
  /** The name the agent gave its error. */
  errorType?: string | undefined;
  /** What else the agent said about it. */
  details?: unknown;
}

/** An invocation failed, or nobody can say how it ended; see {@link InvocationError.outcome}. */
export class InvocationError extends AgentClientError {
  static override readonly kind: string = 'InvocationError';
  override readonly code: 'invocation_failed' | 'stream_interrupted' = 'invocation_failed';
  readonly outcome: InvocationOutcome;
  declare readonly errorType?: string;
  declare readonly details?: unknown;

  constructor(message: string, options: InvocationErrorOptions) {
    super(message, options);
    this.outcome = options.outcome;
    if (options.errorType !== undefined) this.errorType = options.errorType;
    if (options.details !== undefined) this.details = options.details;
  }
}
