import { AgentClientError } from './agent-client-error.js';

/** The sandbox of a session does not exist, or no longer does. */
export class SessionNotFoundError extends AgentClientError {
  static override readonly kind: string = 'SessionNotFoundError';
  override readonly code = 'session_not_found' as const;
}
