import type { AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import { AgentClientError } from './agent-client-error.js';

/** A sandbox could not be created, or its agent did not become ready. What was created has been killed. */
export class SandboxCreationError extends AgentClientError {
  static override readonly kind: string = 'SandboxCreationError';
  override readonly code = 'sandbox_creation_failed' as const;
  /** The result of the last ping, when it was the agent that did not respond. */
  declare readonly lastPing?: string;
  /** The last lines that the agent's server wrote, when it was started by the client. */
  readonly log: readonly string[];

  constructor(
    message: string,
    options: AgentRuntimeErrorOptions & {
      lastPing?: string | undefined;
      log?: readonly string[] | undefined;
    } = {},
  ) {
    super(message, options);
    if (options.lastPing !== undefined) this.lastPing = options.lastPing;
    this.log = options.log ?? [];
  }
}
