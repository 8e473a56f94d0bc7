/** The `error_type` of answers that are about the identity of an invocation, or of the agent, and not its handler (contract, section 5). */
export const conflicts = {
  /** 422: this key was used with another body. */
  keyReused: 'idempotency_key_reused',
  /** 409: `If-Runtime-Instance` names a process that is gone. */
  runtimeRestarted: 'runtime_restarted',
  /** 410: the event log that `Last-Event-ID` points into is gone. */
  invocationExpired: 'invocation_expired',
  /** 409: the agent was told before whose it is. */
  alreadyBound: 'already_bound',
} as const;

/** The `error_type` of a 503 with `Retry-After` by which a runtime says that it is full or draining: nothing ran. */
export const unavailableType = 'UnavailableError';
