import { AgentClientError } from './agent-client-error.js';

/** No connection came about, so nothing was sent and nothing ran. */
export class NetworkError extends AgentClientError {
  static override readonly kind: string = 'NetworkError';
  override readonly code = 'network_error' as const;
}
