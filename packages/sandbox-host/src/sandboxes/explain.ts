import type { SandboxState } from '../events/lifecycle-events.js';
import type { Holder } from './activity.js';
import { askAgent } from './agent-status.js';
import type { Deadline, IdlePolicy } from './deadlines.js';
import type { Sandbox } from './sandbox.js';

/** Why a sandbox is or is not idle, and what becomes of it. */
export interface Explanation {
  state: SandboxState;
  stateSince: Date;
  /** Whether nothing holds it. */
  idle: boolean;
  /** When the last thing happened in it; left out while something does. */
  idleSince?: Date;
  /** What holds it, the longest first. */
  holders: (Omit<Holder, 'kind'> & { kind: Holder['kind'] | 'agent' })[];
  policy: IdlePolicy | undefined;
  /** What happens next unless something else happens before. */
  next?: Omit<Deadline, 'at'> & { at: Date };
  /** How long it has to live when it runs, in milliseconds; it does not run down while the sandbox is paused. */
  leftMs: number;
  /** Whether a request wakes it when it is paused. */
  wakesOnRequest: boolean;
}

/** Says why a sandbox is or is not idle; a running one's agent is asked, too. */
export async function explain(sandbox: Sandbox): Promise<Explanation> {
  const agent = sandbox.state === 'running' ? await askAgent(sandbox) : undefined;
  const { state, stateSince, activity, leftMs, wakesOnRequest, deadline, idlePolicy } = sandbox;
  const holders: Explanation['holders'] = activity
    .holders()
    // What follows in a path may open something.
    .map((holder) => ({ ...holder, what: holder.what.split('?', 1)[0] ?? '' }));
  if (agent?.busy) {
    holders.push({
      kind: 'agent',
      what: 'GET /ping: HealthyBusy',
      since: new Date(agent.since ?? Date.now()),
    });
  }
  holders.sort((a, b) => a.since.getTime() - b.since.getTime());
  const since = Math.max(activity.idleSince ?? 0, agent?.since ?? 0);
  return {
    state,
    stateSince,
    idle: holders.length === 0,
    ...(holders.length === 0 ? { idleSince: new Date(since) } : {}),
    holders,
    policy: idlePolicy,
    ...(deadline ? { next: { ...deadline, at: new Date(deadline.at) } } : {}),
    leftMs,
    wakesOnRequest,
  };
}
