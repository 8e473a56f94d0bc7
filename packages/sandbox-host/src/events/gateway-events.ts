import type { EventEmitter } from 'node:events';

/** One request for a sandbox, and whether it was let in. */
export interface GatewayDecision {
  /** Undefined for a sandbox that is not there. */
  sandboxId: string | undefined;
  /** Names the token that opens what the request was for; undefined where it is open to anybody. */
  tokenId: string | undefined;
  /** Whether it was for a port, or for the sandbox's own API. */
  target: 'port' | 'envd';
  /** The status of the refusal; undefined for a request that was let in. */
  refusal: number | undefined;
}

/** A request that waited for a sandbox to wake up. */
export interface GatewayHold {
  sandboxId: string;
  woken: boolean;
  elapsedMs: number;
}

interface GatewayEventMap {
  decision: [GatewayDecision];
  /** A request begins to wait for a sandbox to wake up. */
  hold: [sandboxId: string];
  held: [GatewayHold];
  /** The first byte of a response has arrived, this many milliseconds after the request. */
  answered: [sandboxId: string, elapsedMs: number];
}

/** Tells what happens to requests for sandboxes. Listeners must not throw, and are on every request's way. */
export type GatewayEvents = EventEmitter<GatewayEventMap>;
