/**
 * The `error_type` of responses by which the runtime itself refuses a request: its handler did not run for it. An error
 * that a handler throws never has one of these, whatever it is named. (What an input schema refuses is a `ValidationError`.)
 */
export const refusals = {
  /** 422: this key was used with another body. */
  keyReused: 'idempotency_key_reused',
  /** 409: `If-Runtime-Instance` names a process that is gone. */
  runtimeRestarted: 'runtime_restarted',
  /** 410: the event log that `Last-Event-ID` points into is gone. */
  invocationExpired: 'invocation_expired',
  /** 409: the agent is bound already. */
  alreadyBound: 'already_bound',
  /** 400: a header is wrong, or what came is no HTTP. */
  badRequest: 'bad_request',
  /** 400: the body is no JSON. */
  invalidJson: 'invalid_json',
  /** 400: the body is not UTF-8. */
  invalidEncoding: 'invalid_encoding',
  /** 401: the request has no valid token. */
  unauthenticated: 'unauthenticated',
  /** 404: there is nothing at this path, or no invocation of this id. */
  notFound: 'not_found',
  /** 405: the path does not take this method. */
  methodNotAllowed: 'method_not_allowed',
  /** 413: the body is larger than the agent takes. */
  requestTooLarge: 'request_too_large',
  /** 500: the agent has no handler. */
  noEntrypoint: 'no_entrypoint',
  /** 501: the platform that the agent runs on has no such thing. */
  notImplemented: 'not_implemented',
  /** 503 with `Retry-After`: the agent is full, shuts down, or is not bound yet. */
  unavailable: 'unavailable',
} as const;

const types = new Set<string>(Object.values(refusals));

/** Whether an `error_type` says that the runtime itself refused: see {@link refusals}. */
export function isRefusal(errorType: string): boolean {
  return types.has(errorType);
}
