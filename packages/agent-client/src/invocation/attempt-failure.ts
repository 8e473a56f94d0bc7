import type { AgentRuntimeError } from '@sandpiper/protocol';

/** Who may be asked again: any agent, for nothing ran; one that honours keys; none, for this is how it ends. */
export type Again = 'anywhere' | 'with-key' | 'never';

/** What else is known of a failed attempt. */
export interface FailureHints {
  /** How long the server asked to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The gateway has no such sandbox: paused perhaps, or gone. */
  sandboxMissing?: boolean;
  /** The process that `If-Runtime-Instance` named is gone. */
  runtimeRestarted?: boolean;
  /** Something else answered in the place of an agent that is known. */
  stray?: boolean;
}

/** Why one attempt did not do, and what that allows. Lives between `send` and `retries`; users never see it. */
export class AttemptFailure extends Error {
  /** The error that the caller gets if there is no other attempt. */
  readonly error: AgentRuntimeError;
  readonly again: Again;
  readonly retryAfterMs: number | undefined;
  readonly sandboxMissing: boolean;
  readonly runtimeRestarted: boolean;
  readonly stray: boolean;

  constructor(error: AgentRuntimeError, again: Again, hints: FailureHints = {}) {
    super(error.message);
    this.error = error;
    this.again = again;
    this.retryAfterMs = hints.retryAfterMs;
    this.sandboxMissing = hints.sandboxMissing ?? false;
    this.runtimeRestarted = hints.runtimeRestarted ?? false;
    this.stray = hints.stray ?? false;
  }
}
