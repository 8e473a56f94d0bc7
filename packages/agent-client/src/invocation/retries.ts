import { type AgentRuntimeErrorOptions, ValidationError } from '@sandpiper/protocol';
import { InvocationError } from '../errors/invocation-error.js';
import { sleep } from '../sleep.js';
import type { AgentTarget } from './agent-lease.js';
import type { AttemptFailure } from './attempt-failure.js';
import type { CallSettings } from './call-options.js';

const maxDelayMs = 8_000;
/** A server that asks for more than this is not waited for. */
const maxRetryAfterMs = 60_000;
/**
 * How long a proxy may keep us from an invocation that may be running: the runtime ends it when nobody has waited for it
 * for `resumeGraceMs`, 30 s by default.
 */
const maxAbsenceMs = 20_000;

/** Decides after each failed attempt whether there may be another (docs/wire-protocol.md, "At most once"), and waits for it. */
export class Retries {
  /** How many attempts were made, the first included. */
  attempts = 1;
  /** Whether some attempt so far may have reached the agent. */
  mayHaveRun = false;
  /** Whether the agent was seen to have taken the invocation on: to join it runs nothing. */
  #seenToRun = false;
  readonly #settings: CallSettings;
  readonly #facts: AgentRuntimeErrorOptions & { invocationId: string };
  readonly #deadline: number;
  #sinceProgress = 0;

  constructor(settings: CallSettings, facts: AgentRuntimeErrorOptions & { invocationId: string }) {
    this.#settings = settings;
    this.#facts = facts;
    this.#deadline =
      settings.timeoutMs > 0 ? performance.now() + settings.timeoutMs : Number.POSITIVE_INFINITY;
  }

  /**
   * The agent itself was heard of the invocation, by an event or a heartbeat: one of hours may be cut more often than
   * `maxRetries`, if it gets on in between.
   */
  progressed(): void {
    this.#sinceProgress = 0;
    this.#seenToRun = true;
    this.mayHaveRun = true;
  }

  /**
   * Returns when the call may be sent again.
   *
   * @param keyHonoured - Whether the process that may have run it is known, and honours its key.
   * @throws what the user is to see, when it may not.
   */
  async after(
    failure: AttemptFailure,
    target: AgentTarget,
    keyHonoured: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    // A server that responds 429 has not taken it on.
    if (failure.again === 'with-key' && failure.error.status !== 429) this.mayHaveRun = true;
    const delayMs = this.#mayRetry(failure, keyHonoured) ? this.#delay(failure) : undefined;
    if (delayMs === undefined || performance.now() + delayMs >= this.#deadline) throw this.#final(failure);
    if (failure.sandboxMissing) await target.recover(signal);
    const info = {
      attempt: this.attempts,
      delayMs,
      error: failure.error,
      invocationId: this.#facts.invocationId,
      sandboxId: target.sandboxId,
    };
    this.#settings.onRetry?.(info);
    this.#settings.logger?.warn({ ...info, error: failure.message }, 'retrying an invocation');
    this.attempts += 1;
    this.#sinceProgress += 1;
    await sleep(delayMs, signal);
  }

  #mayRetry(failure: AttemptFailure, keyHonoured: boolean): boolean {
    // What a gateway says in between counts for nothing then, and only the deadline ends the call.
    const joins = this.#seenToRun && failure.stray && failure.again === 'with-key';
    if (this.#sinceProgress >= this.#settings.maxRetries && !joins) return false;
    // Another process took over, and the one before it may have run the invocation.
    if (failure.runtimeRestarted && this.mayHaveRun) return false;
    if (failure.again === 'anywhere') return true;
    return failure.again === 'with-key' && keyHonoured;
  }

  /** Exponential with jitter, unless the server said when. @returns undefined when it asks for too long. */
  #delay(failure: AttemptFailure): number | undefined {
    if (failure.runtimeRestarted) return 0;
    if (failure.retryAfterMs !== undefined) {
      if (failure.stray && this.mayHaveRun) return Math.min(failure.retryAfterMs, maxAbsenceMs);
      return failure.retryAfterMs <= maxRetryAfterMs ? failure.retryAfterMs : undefined;
    }
    const delayMs = Math.min(this.#settings.retryDelayMs * 2 ** this.#sinceProgress, maxDelayMs);
    return delayMs * (1 - Math.random() / 4);
  }

  #final({ error }: AttemptFailure): Error {
    const outcome = 'outcome' in error ? error.outcome : undefined;
    // The agent's own ending, or one that says what is known already.
    const isClear = outcome === 'failed' || outcome === 'unknown' || ValidationError.isInstance(error);
    if (isClear || !this.mayHaveRun) return error;
    return new InvocationError(
      `It is not known whether the invocation ran: ${sentence(error.message)} Before calling again, ask the agent for the state of invocation ${this.#facts.invocationId}, or make the call harmless to repeat.`,
      { ...this.#facts, status: error.status, outcome: 'unknown', cause: error },
    );
  }
}

/** What others wrote may or may not end with a mark. */
function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
