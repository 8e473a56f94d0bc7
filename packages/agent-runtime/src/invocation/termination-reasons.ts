import { RequestError } from '../errors/request-error.js';

// What the runtime itself ends an invocation with: `signal.reason` is one of these, and so is what a caller reads.

export function callerGone(): RequestError {
  return new RequestError(499, 'AbortError', 'The caller left before the answer was complete.');
}

export function cancelled(): RequestError {
  return new RequestError(499, 'CancelledError', 'The invocation was cancelled.');
}

export function timedOut(timeoutMs: number): RequestError {
  return new RequestError(
    504,
    'TimeoutError',
    `The invocation took longer than ${timeoutMs} ms (RuntimeConfig.timeoutMs, AGENT_RUNTIME_TIMEOUT_MS).`,
  );
}

/** Whether an invocation was ended because nobody wanted it any more, and not for a failing of its own. */
export function isUnwanted(reason: Error): boolean {
  return (
    RequestError.isInstance(reason) && (reason.type === 'AbortError' || reason.type === 'CancelledError')
  );
}
