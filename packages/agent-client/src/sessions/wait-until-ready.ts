import type { AgentAddress } from '../invocation/agent-lease.js';
import { AttemptFailure } from '../invocation/attempt-failure.js';
import { attemptPing } from '../invocation/ping.js';
import { sleep } from '../sleep.js';
import type { AgentProcess } from './agent-process.js';

/** An agent to be waited for, in a sandbox that may end meanwhile. */
export interface AwaitedAgent extends AgentAddress {
  /** Asks the platform about its sandbox. @throws SessionNotFoundError when there is none any more. */
  fetchRecord(signal: AbortSignal): Promise<unknown>;
}

const firstDelayMs = 20;
const maxDelayMs = 1_000;
/** One ping that hangs must not use up the time of all. */
const pingTimeoutMs = 5_000;

/** Why an agent is not ready, for the code that makes the error of it. */
export class NotReady extends Error {
  /** What the last ping came to. */
  readonly lastPing: string;
  /** The last that the agent's server wrote, where we started it. */
  readonly log: readonly string[];

  constructor(message: string, lastPing: string, log: readonly string[] = []) {
    super(log.length > 0 ? `${message} Its last lines:\n${log.join('\n')}` : message);
    this.lastPing = lastPing;
    this.log = log;
  }
}

/**
 * Asks an agent how it is until it answers.
 *
 * @param process - The agent's server, when we started it: its end ends the waiting.
 * @throws NotReady with the last ping's failure and the agent's last lines, SessionNotFoundError, or the signal's reason.
 */
export async function waitUntilReady(
  target: AwaitedAgent,
  timeoutMs: number,
  signal: AbortSignal,
  process?: AgentProcess,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let delayMs = firstDelayMs;
  let lastPing = 'none was answered';
  for (;;) {
    // Node takes whole milliseconds only.
    const leftMs = Math.ceil(deadline - performance.now());
    const late = AbortSignal.timeout(Math.max(1, Math.min(pingTimeoutMs, leftMs)));
    try {
      await attemptPing(target, AbortSignal.any([signal, late, ...(process ? [process.crashed] : [])]));
      return;
    } catch (error) {
      signal.throwIfAborted();
      const cutShort = late.aborted || process?.crashed.aborted;
      // What no ping can mend, such as a client that was closed meanwhile.
      if (!cutShort && !(error instanceof AttemptFailure)) throw error;
      // A ping that we cut short says less than the one before it.
      if (!cutShort) lastPing = error instanceof Error ? error.message : String(error);
      if (error instanceof AttemptFailure && error.sandboxMissing) await target.fetchRecord(signal);
    }
    if (process?.exit !== undefined) {
      throw new NotReady(`The agent did not become ready: ${process.exit}.`, lastPing, process.lastLines);
    }
    if (performance.now() + delayMs >= deadline) {
      const reason = `The agent did not answer within ${timeoutMs} ms (\`readyTimeoutMs\`); the last ping: ${lastPing}.`;
      throw new NotReady(reason, lastPing, process?.lastLines);
    }
    await sleep(delayMs, signal);
    delayMs = Math.min(delayMs * 1.5, maxDelayMs);
  }
}
