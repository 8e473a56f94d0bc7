import { AgentClientError } from './agent-client-error.js';

/** The platform could not pause, resume, list, kill or otherwise act on a sandbox. */
export class SandboxOperationError extends AgentClientError {
  static override readonly kind: string = 'SandboxOperationError';
  override readonly code = 'sandbox_operation_failed' as const;
}
