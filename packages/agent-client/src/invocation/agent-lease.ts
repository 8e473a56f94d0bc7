import type { Endpoint } from '../transport/endpoint.js';
import type { Transport } from '../transport/transport.js';
import type { Cancellation } from './cancellation.js';

/** Where an agent is, and which process it last was. */
export interface AgentAddress {
  readonly sandboxId: string;
  readonly transport: Transport;
  readonly endpoint: Endpoint;
  /**
   * The agent's process, as it last named itself; undefined for an agent that does not. One that does also honours
   * idempotency keys (docs/wire-protocol.md, "At most once").
   */
  runtimeInstance: string | undefined;
}

/** What a call has to know of the agent it is for. */
export interface AgentTarget extends AgentAddress {
  /**
   * Called when the gateway said that it has no such sandbox: resumes a paused one.
   *
   * @throws SessionNotFoundError when the platform does not know the sandbox either.
   */
  recover(signal: AbortSignal): Promise<void>;
}

/** An agent held ready for one call. */
export interface AgentLease {
  readonly target: AgentTarget;
  /** Called once, when the call is over, whichever way. */
  release(): Promise<void>;
}

/** Makes an agent ready: a session resumes its sandbox if need be, a one-off call creates one. */
export type LeaseAgent = (cancellation: Cancellation) => Promise<AgentLease>;
