import { agentPort, pingResponseSchema } from '@sandpiper/protocol';
import { getFromPort } from './get-from-port.js';
import type { Sandbox } from './sandbox.js';

/** An agent that works may be slow to answer. */
const patienceMs = 5_000;

/** What an agent says of itself. */
export interface AgentStatus {
  busy: boolean;
  /** Since when, in Unix milliseconds, if it says so. */
  since: number | undefined;
}

/**
 * Asks the agent of a sandbox whether it is at work; one that takes the question and is too busy to answer it is.
 *
 * @returns undefined where there is none.
 */
export async function askAgent(sandbox: Sandbox): Promise<AgentStatus | undefined> {
  const patience = AbortSignal.timeout(patienceMs);
  try {
    const response = await getFromPort(sandbox.engine, agentPort, '/ping', patience);
    if (patience.aborted) return { busy: true, since: undefined };
    const answer = pingResponseSchema.safeParse(await response?.json());
    if (!answer.success) return undefined;
    const { status, time_of_last_update: since } = answer.data;
    return { busy: status === 'HealthyBusy', since: since === undefined ? undefined : since * 1000 };
  } catch {
    return patience.aborted ? { busy: true, since: undefined } : undefined;
  }
}
