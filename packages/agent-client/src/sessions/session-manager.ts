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
import { Orphans, type ReapedSandbox, type ReapOptions } from './orphans.js';
import { type Provisioned, provisionSandbox } from './provision-sandbox.js';
import type { SandboxRecord } from './sandbox-api.js';
import { SandboxHandle } from './sandbox-handle.js';
import { labelFilter } from './sandbox-labels.js';
import { checkFoundLimits, readLimits } from './sandbox-limits.js';
import { SandboxSession } from './sandbox-session.js';
import { SessionAgent } from './session-agent.js';
import type { SessionServices } from './session-services.js';
import { type SessionOptions, sessionSettings } from './session-settings.js';

/** What became of one session when all were closed. */
export interface ClosedSession {
  sandboxId: string;
  /** Whether its sandbox is gone now. */
  closed: boolean;
  /** Why it is not. */
  error?: Error;
}

/** A session, and what is behind it. */
export interface OpenSession {
  session: SandboxSession;
  agent: SessionAgent;
  row: SandboxRecord;
}

/** A sandbox that is in use here. */
interface Held {
  /** What was opened last; the sessions of one sandbox share what is known of it, each with its own options. */
  opened: OpenSession;
  /** Whether it was made here. */
  created: boolean;
}

/** Makes sessions, finds them again, and ends them. */
export class SessionManager {
  readonly #services: SessionServices;
  readonly #orphans: Orphans;
  /** The sandboxes whose sessions are held here. */
  readonly #held = new Map<string, Held>();
  /** Creations under a name, so that callers in this process wait for one and the same. */
  readonly #claims = new Map<string, Promise<OpenSession>>();
  readonly #provisioning = new Set<Promise<Provisioned>>();
  readonly #closing = new AbortController();

  constructor(services: SessionServices) {
    this.#services = services;
    this.#orphans = new Orphans(services.sandboxes, services.calls.logger);
  }

  /** A new session, or the one that is already there under the given name. */
  async create(templateId: string, options: CreateSessionOptions): Promise<OpenSession> {
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
        // The first caller gave up: now it is our turn.
        if (AgentRuntimeError.isInstance(error)) throw error;
      }
    }
    const claim = this.#claim(templateId, options, filter).finally(() => this.#claims.delete(key));
    this.#claims.set(key, claim);
    return claim;
  }

  /** Undefined when there is no such sandbox. */
  async find(
    wanted: string | { runtimeSessionId: string },
    options: SessionOptions & { signal?: AbortSignal | undefined },
  ): Promise<OpenSession | undefined> {
    this.#checkOpen();
    checkName('the session’s id', typeof wanted === 'object' ? wanted?.runtimeSessionId : wanted);
    const row = await this.#findRow(wanted, options.signal);
    if (!row) return undefined;
    return this.#hold(this.#attach(row, options), false);
  }

  /** @throws SandboxCreationError when a sandbox that was found is another template's than the one asked for. */
  async checkTemplate({ session, row }: OpenSession, templateId: string): Promise<void> {
    if (templateId === session.templateId || templateId === row.templateId) return;
    const { templates } = this.#services;
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
      const { session, agent } = await this.create(templateId, { ...options, signal: cancellation.signal });
      try {
        const { target, release } = await agent.lease(cancellation);
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
  heldFor(templateId: string): OpenSession | undefined {
    return [...this.#held.values()]
      .map(({ opened }) => opened)
      .find(({ session }) => session.templateId === templateId);
  }

  /** Every session made with this package, by whichever process, that the platform still has. */
  async list(options: { signal?: AbortSignal | undefined }): Promise<SandboxSession[]> {
    const rows = await this.#services.sandboxes.list(undefined, options.signal);
    return rows.map((row) => this.#attach(row, {}).session);
  }

  /** @throws SessionNotFoundError when there is no such sandbox. */
  async close(sandboxId: string): Promise<void> {
    const held = this.#held.get(sandboxId);
    const closed = held ? await held.opened.session.close() : await this.#services.sandboxes.kill(sandboxId);
    if (!closed) throw new SessionNotFoundError(`There is no sandbox ${sandboxId}.`, { sandboxId });
  }

  /** Closes the sessions held here. */
  closeAll(): Promise<ClosedSession[]> {
    return closeEach([...this.#held.values()].map(({ opened }) => opened.session));
  }

  /** Closes what was made here and has no name to be found by again; waits for what is being undone. */
  async end(): Promise<void> {
    this.#closing.abort(closed());
    await Promise.allSettled(this.#provisioning);
    const unnamed = [...this.#held.values()].filter(
      ({ opened, created }) => created && !opened.session.runtimeSessionId,
    );
    await closeEach(unnamed.map(({ opened }) => opened.session));
    await this.#orphans.settled();
  }

  /** Kills what is left over of creations that failed. */
  reap(options: ReapOptions): Promise<ReapedSandbox[]> {
    checkOptions('reap', options);
    return this.#orphans.reap(options, (sandboxId) => this.#held.has(sandboxId));
  }

  /** A sandbox made after the end would be nobody's to close. */
  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw closed();
  }

  async #claim(
    templateId: string,
    options: CreateSessionOptions,
    filter: Record<string, string>,
  ): Promise<OpenSession> {
    const [first] = await this.#services.sandboxes.list(filter, options.signal);
    return first ? this.#join(first, templateId, options) : this.#make(templateId, options, filter);
  }

  /** Takes the sandbox that somebody else made, or is making, and gives it at least the life that is asked for. */
  async #join(row: SandboxRecord, templateId: string, options: CreateSessionOptions): Promise<OpenSession> {
    const lifetimeMs = options.lifetimeMs ?? options.config?.lifetimeMs;
    const limits = readLimits(options.config ?? {});
    const opened = this.#attach(row, { ...options, lifetimeMs });
    await this.checkTemplate(opened, templateId);
    const { sandbox } = opened.agent;
    const signal = this.#orEnd(options.signal);
    if (limits.memoryMB !== undefined || limits.cpuCount !== undefined) {
      const { sandboxId } = row;
      checkFoundLimits(limits, await this.#services.sandboxes.limits(sandboxId, signal), sandboxId);
    }
    await sandbox.join(options.readyTimeoutMs ?? this.#services.readyTimeoutMs, signal);
    // A paused one gets it when it is resumed.
    if (lifetimeMs !== undefined && sandbox.status !== 'paused') await sandbox.refresh(lifetimeMs, signal);
    return this.#hold(opened, false);
  }

  #orEnd(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }

  /** Ends with the client: what is being made then is nobody's. */
  async #make(
    templateId: string,
    options: CreateSessionOptions,
    sameName?: Record<string, string>,
  ): Promise<OpenSession> {
    const signal = this.#orEnd(options.signal);
    const making = provisionSandbox(this.#services, this.#orphans, templateId, options, sameName, signal);
    this.#provisioning.add(making);
    try {
      const made = await making;
      if ('winner' in made) return await this.#join(made.winner, templateId, options);
      const { sandbox, row } = made;
      sandbox.logger?.info({ sandboxId: row.sandboxId, template: templateId }, 'sandbox created');
      return this.#hold(this.#open(sandbox, row, options, true), true);
    } finally {
      this.#provisioning.delete(making);
    }
  }

  async #findRow(
    wanted: string | { runtimeSessionId: string },
    signal: AbortSignal | undefined,
  ): Promise<SandboxRecord | undefined> {
    const { sandboxes } = this.#services;
    if (typeof wanted !== 'string') return (await sandboxes.list(labelFilter(wanted), signal))[0];
    try {
      return await sandboxes.info(wanted, signal);
    } catch (error) {
      if (SessionNotFoundError.isInstance(error)) return undefined;
      throw error;
    }
  }

  #attach(row: SandboxRecord, options: SessionOptions): OpenSession {
    const held = this.#held.get(row.sandboxId)?.opened.agent.sandbox;
    held?.update(row);
    return this.#open(held ?? new SandboxHandle(this.#services, row), row, options, false);
  }

  #open(sandbox: SandboxHandle, row: SandboxRecord, options: SessionOptions, isNew: boolean): OpenSession {
    const agent = new SessionAgent(sandbox, sessionSettings(options, sandbox.labels));
    const onClosed = (): void => {
      this.#held.delete(row.sandboxId);
    };
    const { calls } = this.#services;
    return { agent, row, session: new SandboxSession({ agent, row, isNew, calls, onClosed }) };
  }

  #hold(opened: OpenSession, created: boolean): OpenSession {
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
