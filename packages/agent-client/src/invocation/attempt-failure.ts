import type { AgentRuntimeError } from '@sandpiper/protocol';

/** Who may be asked again: any agent, for nothing ran; one that honours keys; none, for this is how it ends. */
export type Again = 'anywhere' | 'with-key' | 'never';

/** Why one attempt did not do, and what that allows. Lives between `send` and `retries`; users never see it. */
export class AttemptFailure extends Error {
  /** What a user is told if there is no other attempt. */
  readonly error: AgentRuntimeError;
  readonly again: Again;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The gateway has no such sandbox: paused perhaps, or gone. */
  readonly sandboxMissing: boolean;
  /** The process that `If-Runtime-Instance` named is gone. */
  readonly runtimeRestarted: boolean;

  constructor(
    error: AgentRuntimeError,
    again: Again,
    hints: { retryAfterMs?: number | undefined; sandboxMissing?: boolean; runtimeRestarted?: boolean } = {},
  ) {
    super(error.message);
    this.error = error;
    this.again = again;
    this.retryAfterMs = hints.retryAfterMs;
    this.sandboxMissing = hints.sandboxMissing ?? false;
    this.runtimeRestarted = hints.runtimeRestarted ?? false;
  }
}
