import type { EventEmitter } from 'node:events';
import type { SandboxEvent, SandboxState } from './lifecycle.js';
import type { Sandbox } from './sandbox.js';

/** Why something happens to a sandbox. */
export type Cause =
  /** Somebody asked for it. */
  | 'caller'
  /** Its timeout struck. */
  | 'timeout'
  /** Nothing happened in it for as long as was set. */
  | 'idle'
  /** It is as old as the host lets sandboxes become. */
  | 'age'
  /** A request came for it while it slept. */
  | 'request'
  /** It came to an end by itself. */
  | 'lost'
  /** It could not be made, or its maker left meanwhile. */
  | 'failed'
  /** The host closes. */
  | 'closing'
  /** The host was started again after an end that came unawares. */
  | 'recovery';

/** One step of a sandbox from a state to another, told once it has been taken. */
export interface Transition {
  sandbox: Sandbox;
  event: SandboxEvent;
  from: SandboxState;
  to: SandboxState;
  cause: Cause;
  /** How long it had been in the state it left, in milliseconds. */
  elapsedMs: number;
}

/** One part of the making of a sandbox that has been done. */
export interface CreatePhase {
  sandbox: Sandbox;
  /**
   * `queue`: waiting for its turn; `claim`: taking one that was made before; `boot`: starting an empty one;
   * `ready`: starting the template's server and waiting for it.
   */
  phase: 'queue' | 'claim' | 'boot' | 'ready';
  /** Milliseconds. */
  elapsedMs: number;
}

interface LifecycleEventMap {
  transition: [Transition];
  phase: [CreatePhase];
  /** A sandbox of the host before is this host's now, in the state it is in. */
  adopted: [Sandbox];
}

/** Tells what happens to the sandboxes of a host. Listeners must not throw. */
export type LifecycleEvents = EventEmitter<LifecycleEventMap>;
