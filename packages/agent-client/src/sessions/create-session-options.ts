import type { SandboxConfig } from './sandbox-config.js';
import type { SessionOptions } from './session-settings.js';

/** Options of `createSession`. */
export interface CreateSessionOptions extends SessionOptions {
  /** Environment variables of everything in the sandbox; they win over `config.envVars`. */
  envVars?: Record<string, string> | undefined;
  /** Metadata of your own, by which the platform lists sandboxes. */
  metadata?: Record<string, string> | undefined;
  config?: SandboxConfig | undefined;
  /**
   * Your own id of the conversation. The session is found again by it, from any process; creating it again gives the same
   * sandbox. It outlives the client: `client.close()` leaves it alone. On a platform that lists the older of two sandboxes
   * only after the younger one's agent responds, both may live; the older is found, and the younger is its maker's until its time is up.
   */
  runtimeSessionId?: string | undefined;
  /** Names this creation: made again with the same key, it gives the same sandbox while that lives. */
  idempotencyKey?: string | undefined;
  /** How long the agent may take to become ready, in milliseconds. Default: its configuration's, else the client's. */
  readyTimeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}
