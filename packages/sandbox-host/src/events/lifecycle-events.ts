import type { EventEmitter } from 'node:events';

/** What a sandbox can be. */
export type SandboxState =
  /** Being started; nobody is told of it yet. */
  | 'creating'
  | 'running'
  | 'pausing'
  /** Its processes stand still, or only its files are kept. */
  | 'paused'
  /** Paused, and its memory is out of the way. */
  | 'hibernated'
  | 'resuming'
  | 'killing'
  | 'gone';

/** What can happen to a sandbox. */
export type SandboxEvent =
  | 'created'
  | 'pause'
  | 'paused'
  | 'hibernated'
  | 'resume'
  | 'resumed'
  | 'failed'
  | 'kill'
  | 'killed';

/** Which sandbox an event is about. */
export interface SandboxFacts {
  id: string;
  /** The name its template was asked for by, else its id. */
  template: string;
  /** Whether it is a caller's; otherwise the host's own, for a pool or a build. */
  listed: boolean;
}

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

/** One step of a sandbox from a state to another, reported once it has been taken. */
export interface Transition {
  sandbox: SandboxFacts;
  event: SandboxEvent;
  from: SandboxState;
  to: SandboxState;
  cause: Cause;
  /** How long it had been in the state it left, in milliseconds. */
  elapsedMs: number;
}

/** One part of the making of a sandbox that has been done. */
export interface CreatePhase {
  sandboxId: string;
  /** What it is at the end of the phase. */
  state: SandboxState;
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
  adopted: [SandboxFacts, SandboxState];
  /** What the processes of a sandbox were found to use. */
  measured: [sandboxId: string, memoryBytes: number];
  /** This many processes of a sandbox were killed because it had no memory left. */
  outOfMemory: [sandboxId: string, processes: number];
}

/** Reports what happens to the sandboxes of a host. Listeners must not throw. */
export type LifecycleEvents = EventEmitter<LifecycleEventMap>;
