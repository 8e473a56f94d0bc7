import { AgentRuntimeError } from '@sandpiper/protocol';

/** A request this host refuses or cannot fulfil; `status` is the HTTP status that says so. */
export class HostError extends AgentRuntimeError {
  static override readonly kind: string = 'HostError';
  override readonly code = 'sandbox_host_error' as const;
  declare readonly status: number;

  constructor(status: number, message: string, options: { cause?: unknown } = {}) {
    super(message, { status, ...options });
  }
}
