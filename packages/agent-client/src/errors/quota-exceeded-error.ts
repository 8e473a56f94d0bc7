import { AgentClientError } from './agent-client-error.js';

/** The account has as many sandboxes, or as much of something else, as it may have. */
export class QuotaExceededError extends AgentClientError {
  static override readonly kind: string = 'QuotaExceededError';
  override readonly code = 'quota_exceeded' as const;
}
