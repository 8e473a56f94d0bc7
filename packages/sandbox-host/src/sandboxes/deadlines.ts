import type { SandboxState } from '../events/lifecycle-events.js';

/** What becomes of a sandbox in which nothing has happened for a time. */
export interface IdlePolicy {
  idleMs: number;
  action: 'pause' | 'kill' | 'hibernate';
}

/** What a host lets its sandboxes last. */
export interface Lifetimes {
  /** A sandbox older than this ends, whether it runs or not. */
  maxAgeMs?: number | undefined;
  /** A sandbox that was paused this long ago hibernates. */
  hibernateAfterMs?: number | undefined;
  /** For sandboxes without a policy of their own. */
  idle?: IdlePolicy | undefined;
}

/** What is to happen to a sandbox, and when. */
export interface Deadline {
  /** Unix milliseconds. */
  at: number;
  action: 'pause' | 'kill' | 'hibernate';
  cause: 'timeout' | 'idle' | 'age';
}

/** What the next deadline depends on; times are Unix milliseconds. */
export interface Clocked {
  state: SandboxState;
  startedAt: number;
  /** When the present state began. */
  stateSince: number;
  endAt: number;
  /** What its timeout does. */
  onTimeout: 'pause' | 'kill';
  /** Since when nothing happens in it; undefined while something does. */
  idleSince: number | undefined;
  /** Whether its processes are kept while it is paused. */
  keepsMemory: boolean;
}

/** The first thing that is to happen to a sandbox unless something else happens before. */
export function nextDeadline(sandbox: Clocked, lifetimes: Lifetimes): Deadline | undefined {
  const { state } = sandbox;
  const { maxAgeMs, hibernateAfterMs, idle } = lifetimes;
  if (state !== 'running' && state !== 'paused' && state !== 'hibernated') return undefined;
  const deadlines: Deadline[] = [];
  if (maxAgeMs !== undefined)
    deadlines.push({ at: sandbox.startedAt + maxAgeMs, action: 'kill', cause: 'age' });
  if (state === 'running') {
    deadlines.push({ at: sandbox.endAt, action: sandbox.onTimeout, cause: 'timeout' });
    // While it is busy, the moment to look again.
    if (idle) {
      const since = sandbox.idleSince ?? Date.now();
      deadlines.push({ at: since + idle.idleMs, action: idle.action, cause: 'idle' });
    }
  }
  if (state === 'paused' && sandbox.keepsMemory && hibernateAfterMs !== undefined) {
    deadlines.push({ at: sandbox.stateSince + hibernateAfterMs, action: 'hibernate', cause: 'idle' });
  }
  return deadlines.reduce<Deadline | undefined>(
    (first, one) => (first && first.at <= one.at ? first : one),
    undefined,
  );
}
