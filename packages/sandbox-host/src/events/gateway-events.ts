import type { EventEmitter } from 'node:events';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** One request for a sandbox, and whether it was let in. */
export interface GatewayDecision {
  /** Undefined for a sandbox that is not there. */
  sandbox: Sandbox | undefined;
  /** Whether it was for a port, or for the sandbox's own API. */
  target: 'port' | 'envd';
  /** The status of the refusal; undefined for a request that was let in. */
  refusal: number | undefined;
}

/** A request that waited for a sandbox to wake up. */
export interface GatewayHold {
  sandbox: Sandbox;
  woken: boolean;
  elapsedMs: number;
}

interface GatewayEventMap {
  decision: [GatewayDecision];
  /** A request begins to wait for a sandbox to wake up. */
  hold: [Sandbox];
  held: [GatewayHold];
  /** The first byte of an answer has come, so many milliseconds after the request. */
  answered: [Sandbox, elapsedMs: number];
}

/** Tells what happens to requests for sandboxes. Listeners must not throw, and are on every request's way. */
export type GatewayEvents = EventEmitter<GatewayEventMap>;
