import type { AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import { InvocationError } from '../errors/invocation-error.js';
import { NetworkError } from '../errors/network-error.js';
import { TimeoutError } from '../errors/timeout-error.js';
import { TransportFailure } from '../transport/transport.js';
import { AttemptFailure } from './attempt-failure.js';

const knobs = {
  connect_timeout: 'connectTimeoutMs',
  first_byte_timeout: 'firstByteTimeoutMs',
  idle_timeout: 'idleTimeoutMs',
} as const;

/**
 * Turns a broken exchange into an attempt's failure; anything else, such as the reason of a signal, is given back as it
 * is.
 */
export function fromTransport(error: unknown, facts: AgentRuntimeErrorOptions): unknown {
  if (!(error instanceof TransportFailure)) return error;
  const outcome = error.sent ? 'unknown' : 'not_run';
  const again = error.sent ? 'with-key' : 'anywhere';
  const options = { ...facts, outcome, cause: error, retryable: !error.sent } as const;
  if (error.kind === 'unreadable') {
    const message = `The agent's response cannot be understood: ${error.message}`;
    return new AttemptFailure(new InvocationError(message, options), 'never');
  }
  if (error.kind !== 'network') {
    const message = `${error.message} The limit is \`${knobs[error.kind]}\`.`;
    // Asking again would only wait longer than the caller wanted to.
    const late = error.kind === 'first_byte_timeout';
    return new AttemptFailure(new TimeoutError(error.kind, message, options), late ? 'never' : again);
  }
  return error.sent
    ? new AttemptFailure(
        new InvocationError(`The connection to the agent broke: ${error.message}`, options),
        again,
      )
    : new AttemptFailure(
        new NetworkError(`The agent could not be reached: ${error.message}`, options),
        again,
      );
}
