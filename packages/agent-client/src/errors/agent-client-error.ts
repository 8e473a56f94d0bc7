import { AgentRuntimeError } from '@sandpiper/protocol';

/** What every error of this package is, but for {@link ValidationError}. */
export class AgentClientError extends AgentRuntimeError {
  static override readonly kind: string = 'AgentClientError';
  override readonly code: string = 'agent_client_error';
}
