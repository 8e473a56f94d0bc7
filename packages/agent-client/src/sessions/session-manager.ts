import { AgentRuntimeError } from '@sandpiper/protocol';
import { checkName, checkOptions } from '../check-options.js';
import { AgentClientError } from '../errors/agent-client-error.js';
import { AuthenticationError } from '../errors/authentication-error.js';
import { SandboxCreationError } from '../errors/sandbox-creation-error.js';
import { SessionNotFoundError } from '../errors/session-not-found-error.js';
import { TemplateNotFoundError } from '../errors/template-not-found-error.js';
import type { LeaseAgent } from '../invocation/agent-lease.js';
import { abortable } from './abortable.js';
import type { CreateSessionOptions } from './create-session-options.js';
import { LiveSandbox } from './live-sandbox.js';
import { type Made, makeSandbox } from './make-sandbox.js';
import { Orphans, type ReapedSandbox, type ReapOptions } from './orphans.js';
import type { SandboxRow } from './sandbox-api.js';
import { labelFilter } from './sandbox-labels.js';
import { SandboxSession } from './sandbox-session.js';
import { behaviourOf, type SessionOptions } from './session-behaviour.js';
import type { SessionEnvironment } from './session-environment.js';
import { SessionUse } from './session-use.js';

/** What became of one session when all were closed. */
export interface ClosedSession {
  sandboxId: string;
  /** Whether its sandbox is gone now. */
  closed: boolean;
  /** Why it is not. */
  error?: Error;
}

/** A session, and what is behind it. */
export interface Opened {
  session: SandboxSession;
  use: SessionUse;
  row: SandboxRow;
}

/** A sandbox that is in use here. */
interface Held {
  /** What was opened last; the sessions of one sandbox share what is known of it, each with its own options. */
  opened: Opened;
  /** Whether it was made here. */
  created: boolean;
}

/** Makes sessions, finds them again, and ends them. */
export class SessionManager {
  readonly #environment: SessionEnvironment;
  readonly #orphans: Orphans;
  /** The sandboxes whose sessions are held here. */
  readonly #held = new Map<string, Held>();
  /** Creations under a name, so that callers in this process wait for one and the same. */
  readonly #claims = new Map<string, Promise<Opened>>();
  readonly #making = new Set<Promise<Made>>();
  readonly #ending = new AbortController();

  constructor(environment: SessionEnvironment) {
    this.#environment = environment;
    this.#orphans = new Orphans(environment.sandboxes, environment.calls.logger);
  }

  /** A new session, or the one that is already there under the given name. */
  async create(templateId: string, options: CreateSessionOptions): Promise<Opened> {
    const { runtimeSessionId, idempotencyKey, signal } = options;
    this.#checkOpen();
    checkName('templateId', templateId);
    checkOptions('createSession', options);
    if (runtimeSessionId === undefined && idempotencyKey === undefined)
      return this.#make(templateId, options);
    const filter = labelFilter({ runtimeSessionId, idempotencyKey });
    const key = JSON.stringify(filter);
    for (let claim = this.#claims.get(key); claim; claim = this.#claims.get(key)) {
      try {
        const { row } = await abortable(claim, signal);
        return await this.#join(row, templateId, options);
      } catch (error) {
        signal?.throwIfAborted();
        // Whoever was first gave up: now it is our turn.
        if (AgentRuntimeError.isInstance(error)) throw error;
      }
    }
    const claim = this.#claim(templateId, options, filter).finally(() => this.#claims.delete(key));
    this.#claims.set(key, claim);
    return claim;
  }

  /** @returns undefined when there is no such sandbox. */
  async find(
    wanted: string | { runtimeSessionId: string },
    options: SessionOptions & { signal?: AbortSignal | undefined },
  ): Promise<Opened | undefined> {
    this.#checkOpen();
    checkName('the session’s id', typeof wanted === 'object' ? wanted?.runtimeSessionId : wanted);
    const row = await this.#findRow(wanted, options.signal);
    if (!row) return undefined;
    return this.#hold(this.#attach(row, options), false);
  }

  /** @throws SandboxCreationError when a sandbox that was found is another template's than the one asked for. */
  async checkTemplate({ session, row }: Opened, templateId: string): Promise<void> {
    if (templateId === session.templateId || templateId === row.templateId) return;
    const { templates } = this.#environment;
    // One template has several names; only the platform knows them.
    const template = await templates.getTemplate(templateId).catch((error: unknown) => {
      if (TemplateNotFoundError.isInstance(error) || AuthenticationError.isInstance(error)) return undefined;
      throw error;
    });
    if (template?.templateId === row.templateId) return;
    const { sandboxId } = session;
    const message = `The session under this name runs template ${session.templateId} (sandbox ${sandboxId}), not ${templateId}: close it, or take another \`runtimeSessionId\` or \`idempotencyKey\`.`;
    throw new SandboxCreationError(message, { sandboxId });
  }

  /** An agent for one call: its sandbox is made for it, and killed when it is over. */
  oneOff(templateId: string, options: CreateSessionOptions): LeaseAgent {
    return async (cancellation) => {
      const { session, use } = await this.create(templateId, { ...options, signal: cancellation.signal });
      try {
        const { target, release } = await use.lease(cancellation);
        return {
          target,
          release: async () => {
            await release();
            await session.close();
          },
        };
      } catch (error) {
        await session.close();
        throw error;
      }
    };
  }

  /** A session of that template that somebody here holds. */
  heldFor(templateId: string): Opened | undefined {
    return [...this.#held.values()]
      .map(({ opened }) => opened)
      .find(({ session }) => session.templateId === templateId);
  }

  /** Every session made with this package, by whichever process, that the platform still has. */
  async list(options: { signal?: AbortSignal | undefined }): Promise<SandboxSession[]> {
    const rows = await this.#environment.sandboxes.list(undefined, options.signal);
    return rows.map((row) => this.#attach(row, {}).session);
  }

  /** @throws SessionNotFoundError when there is no such sandbox. */
  async close(sandboxId: string): Promise<void> {
    const held = this.#held.get(sandboxId);
    const closed = held
      ? await held.opened.session.close()
      : await this.#environment.sandboxes.kill(sandboxId);
    if (!closed) throw new SessionNotFoundError(`There is no sandbox ${sandboxId}.`, { sandboxId });
  }

  /** Closes the sessions held here. */
  closeAll(): Promise<ClosedSession[]> {
    return closeEach([...this.#held.values()].map(({ opened }) => opened.session));
  }

  /** Closes what was made here and has no name to be found by again; waits for what is being undone. */
  async end(): Promise<void> {
    this.#ending.abort(closed());
    await Promise.allSettled(this.#making);
    const mortal = [...this.#held.values()].filter(
      ({ opened, created }) => created && !opened.session.runtimeSessionId,
    );
    await closeEach(mortal.map(({ opened }) => opened.session));
    await this.#orphans.settled();
  }

  /** Kills what is left over of creations that failed. */
  reap(options: ReapOptions): Promise<ReapedSandbox[]> {
    checkOptions('reap', options);
    return this.#orphans.reap(options, (sandboxId) => this.#held.has(sandboxId));
  }

  /** A sandbox made after the end would be nobody's to close. */
  #checkOpen(): void {
    if (this.#ending.signal.aborted) throw closed();
  }

  async #claim(
    templateId: string,
    options: CreateSessionOptions,
    filter: Record<string, string>,
  ): Promise<Opened> {
    const [first] = await this.#environment.sandboxes.list(filter, options.signal);
    return first ? this.#join(first, templateId, options) : this.#make(templateId, options, filter);
  }

  /** Takes the sandbox that somebody else made, or is making, and gives it at least the life that is asked for. */
  async #join(row: SandboxRow, templateId: string, options: CreateSessionOptions): Promise<Opened> {
    const lifetimeMs = options.lifetimeMs ?? options.config?.lifetimeMs;
    const opened = this.#attach(row, { ...options, lifetimeMs });
    await this.checkTemplate(opened, templateId);
    const { sandbox } = opened.use;
    const signal = this.#orEnd(options.signal);
    await sandbox.join(options.readyTimeoutMs ?? this.#environment.readyTimeoutMs, signal);
    // A paused one gets it when it is resumed.
    if (lifetimeMs !== undefined && sandbox.status !== 'paused') await sandbox.refresh(lifetimeMs, signal);
    return this.#hold(opened, false);
  }

  #orEnd(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal;
  }

  /** Ends with the client: what is being made then is nobody's. */
  async #make(
    templateId: string,
    options: CreateSessionOptions,
    sameName?: Record<string, string>,
  ): Promise<Opened> {
    const signal = this.#orEnd(options.signal);
    const making = makeSandbox(this.#environment, this.#orphans, templateId, options, sameName, signal);
    this.#making.add(making);
    try {
      const made = await making;
      if ('winner' in made) return await this.#join(made.winner, templateId, options);
      const { sandbox, row } = made;
      sandbox.logger?.info({ sandboxId: row.sandboxId, template: templateId }, 'sandbox created');
      return this.#hold(this.#open(sandbox, row, options, true), true);
    } finally {
      this.#making.delete(making);
    }
  }

  async #findRow(
    wanted: string | { runtimeSessionId: string },
    signal: AbortSignal | undefined,
  ): Promise<SandboxRow | undefined> {
    const { sandboxes } = this.#environment;
    if (typeof wanted !== 'string') return (await sandboxes.list(labelFilter(wanted), signal))[0];
    try {
      return await sandboxes.info(wanted, signal);
    } catch (error) {
      if (SessionNotFoundError.isInstance(error)) return undefined;
      throw error;
    }
  }

  #attach(row: SandboxRow, options: SessionOptions): Opened {
    const held = this.#held.get(row.sandboxId)?.opened.use.sandbox;
    held?.note(row);
    return this.#open(held ?? new LiveSandbox(this.#environment, row), row, options, false);
  }

  #open(sandbox: LiveSandbox, row: SandboxRow, options: SessionOptions, isNew: boolean): Opened {
    const use = new SessionUse(sandbox, behaviourOf(options, sandbox.labels));
    const onClosed = (): void => {
      this.#held.delete(row.sandboxId);
    };
    const { calls } = this.#environment;
    return { use, row, session: new SandboxSession({ use, row, isNew, calls, onClosed }) };
  }

  #hold(opened: Opened, created: boolean): Opened {
    const { sandboxId } = opened.session;
    this.#held.set(sandboxId, { opened, created: created || (this.#held.get(sandboxId)?.created ?? false) });
    return opened;
  }
}

function closed(): AgentClientError {
  return new AgentClientError('The client is closed.');
}

function closeEach(sessions: SandboxSession[]): Promise<ClosedSession[]> {
  return Promise.all(
    sessions.map(async (session) => {
      const { sandboxId } = session;
      try {
        await session.close();
        return { sandboxId, closed: true };
      } catch (error) {
        return { sandboxId, closed: false, error: error instanceof Error ? error : new Error(String(error)) };
      }
    }),
  );
}
