import { AgentClientError } from './agent-client-error.js';

/** The API key is missing, or the platform or the agent refused the caller. */
export class AuthenticationError extends AgentClientError {
  static override readonly kind: string = 'AuthenticationError';
  override readonly code = 'authentication_error' as const;
}
