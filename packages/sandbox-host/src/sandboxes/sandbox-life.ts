import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Cause, SandboxEvent, SandboxState } from '../events/lifecycle-events.js';
import type { Activity } from './activity.js';
import { type Deadline, type IdlePolicy, nextDeadline } from './deadlines.js';
import { nextState } from './lifecycle.js';
import { LongTimer } from './long-timer.js';
import type { SandboxHooks } from './sandbox-hooks.js';
import type { SandboxLog } from './sandbox-log.js';
import type { SandboxRecord } from './sandbox-record.js';
import { factsOf } from './sandbox-settings.js';
import { TimeToLive } from './time-to-live.js';

/** Steps that say what is about to be done, so that a host that ends in the midst of it knows what to finish. */
const intents: readonly SandboxState[] = ['pausing', 'resuming'];

/** What is kept of a sandbox: its steps and its time, each written down before anything else follows from it. */
export class SandboxLife {
  /** Changed by {@link change}, or freely and written down with the next step. */
  readonly record: SandboxRecord;
  #time: TimeToLive;
  readonly #timer: LongTimer;

  constructor(
    record: SandboxRecord,
    private readonly parts: { activity: Activity; log: SandboxLog; hooks: SandboxHooks },
  ) {
    this.record = record;
    this.#time = new TimeToLive(record.endAt, record.stoppedAt);
    this.#timer = new LongTimer(() => parts.hooks.expire(record.id));
  }

  /** When the timeout expires, in Unix milliseconds; while the clock stands still, when it would have. */
  get endAt(): number {
    return this.#time.endAt;
  }

  get leftMs(): number {
    return this.#time.leftMs;
  }

  /** What becomes of it when nothing happens in it. */
  get idlePolicy(): IdlePolicy | undefined {
    const { idle, settings } = this.record;
    // What waits in a pool is idle by its nature.
    if (!settings.listed || idle === null) return undefined;
    return idle ?? this.parts.hooks.lifetimes.idle;
  }

  /** What is to happen next unless something else happens before. */
  get deadline(): Deadline | undefined {
    const { settings, state, startedAt, stateSince, keepsMemory } = this.record;
    const { maxAgeMs, hibernateAfterMs } = this.parts.hooks.lifetimes;
    return nextDeadline(
      {
        state,
        startedAt,
        stateSince,
        endAt: this.endAt,
        onTimeout: settings.autoPause ? 'pause' : 'kill',
        idleSince: this.parts.activity.idleSince,
        keepsMemory,
      },
      {
        maxAgeMs: settings.listed ? maxAgeMs : undefined,
        hibernateAfterMs: this.parts.hooks.canHibernate ? hibernateAfterMs : undefined,
        idle: this.idlePolicy,
      },
    );
  }

  /** Everything that is kept. */
  whole(): SandboxRecord {
    return { ...this.record, endAt: this.#time.endAt, stoppedAt: this.#time.stoppedAt };
  }

  /** Gives it this long from now, within what the host allows. */
  give(timeoutMs: number): void {
    const { settings, startedAt } = this.record;
    const { maxAgeMs = Number.POSITIVE_INFINITY } = settings.listed ? this.parts.hooks.lifetimes : {};
    this.#time.set(Math.min(timeoutMs, startedAt + maxAgeMs - Date.now()));
  }

  stopClock(): void {
    this.#time.stop();
  }

  runClock(): void {
    this.#time.run();
  }

  /** Stops the clock with this much left on it. */
  stopClockAt(leftMs: number): void {
    this.#time.set(leftMs);
    this.#time.stop();
  }

  /** Changes it and writes that down. @throws HostError 507, with nothing changed, when the disk does not take it. */
  change(apply: () => void): void {
    const before: SandboxRecord = {
      accessToken: undefined,
      trafficToken: undefined,
      idle: undefined,
      ...this.record,
      settings: { ...this.record.settings },
    };
    const { endAt, stoppedAt } = this.#time;
    apply();
    try {
      this.parts.hooks.keep(this.whole());
    } catch (cause) {
      Object.assign(this.record, before);
      this.#time = new TimeToLive(endAt, stoppedAt);
      throw new HostError(507, 'The sandbox host cannot keep this change: its disk may be full.', { cause });
    }
    this.rearm();
  }

  /** Sees to it that the next deadline expires; `at` is when to look in any case. */
  rearm(at: number | undefined = this.deadline?.at): void {
    this.#timer.set(at);
  }

  /** Goes on to the next state. @throws HostError 404 or 409 where that is none, 507 where an intent cannot be kept. */
  step(event: SandboxEvent, cause: Cause): void {
    const { log, hooks } = this.parts;
    const { id, state: from, stateSince, settings } = this.record;
    const to = nextState(from, event);
    if (!to) {
      throw from === 'gone' || from === 'killing'
        ? notFound(id)
        : new HostError(409, `Sandbox "${id}" is ${from}: it cannot ${event} now.`);
    }
    const now = Date.now();
    Object.assign(this.record, { state: to, stateSince: now });
    try {
      hooks.keep(this.whole());
    } catch (cause) {
      if (intents.includes(to)) {
        Object.assign(this.record, { state: from, stateSince });
        const message = 'The sandbox host cannot keep what it is about to do: its disk may be full.';
        throw new HostError(507, message, { cause });
      }
      // It has happened, and is brought to its end again if the host ends before it can be kept.
      log.add('error', `The state ${to} could not be kept.`);
    }
    this.rearm();
    hooks.changed({ sandbox: factsOf(id, settings), event, from, to, cause, elapsedMs: now - stateSince });
  }
}

export function notFound(id: string): HostError {
  return new HostError(404, `Sandbox "${id}" was not found.`);
}
