import type { EventEmitter } from 'node:events';

/** One request to the control plane, and what became of it. */
export interface ApiDecision {
  /** Who asked: an id of the key, from which the key cannot be had; undefined for a caller that showed no valid one. */
  actor: string | undefined;
  /** The method and the route, such as `POST /sandboxes/{sandboxID}/pause`. */
  action: string;
  /** Whether it was to change something. */
  changes: boolean;
  /** The sandbox it was about, or that it made. */
  sandboxId: string | undefined;
  status: number;
  requestId: string;
  /** Milliseconds. */
  elapsedMs: number;
}

/** Tells what the control plane was asked for. Listeners must not throw. */
export type ApiEvents = EventEmitter<{ decision: [ApiDecision] }>;
