import type { Logger, PingResponse } from '@sandpiper/protocol';
import type { Sandbox } from 'e2b';
import { redact } from '../auth/redact.js';
import { NetworkError } from '../errors/network-error.js';
import { SandboxCreationError } from '../errors/sandbox-creation-error.js';
import { SandboxOperationError } from '../errors/sandbox-operation-error.js';
import { SessionNotFoundError } from '../errors/session-not-found-error.js';
import type { Cancellation } from '../invocation/cancellation.js';
import { ping } from '../invocation/ping.js';
import { agentEndpoint, type Endpoint } from '../transport/endpoint.js';
import { abortable } from './abortable.js';
import { Activity } from './activity.js';
import { ensureAgentReady, findAgentConfig } from './ensure-agent-ready.js';
import type { SandboxRecord } from './sandbox-api.js';
import { readLabels, type SandboxLabels } from './sandbox-labels.js';
import type { SessionServices } from './session-services.js';
import type { SessionSettings } from './session-settings.js';
import type { SessionStatus } from './session-status.js';
import { type AwaitedAgent, NotReady, waitUntilReady } from './wait-until-ready.js';

/** How long an agent whose memory was kept may take to answer again before it is taken for not running. */
const answersByItselfMs = 2_000;

/** One sandbox: its state, how it is reached, pause and resume. The sessions that share it do the calls. */
export class SandboxHandle implements AwaitedAgent {
  readonly sandboxId: string;
  readonly labels: SandboxLabels;
  readonly transport: SessionServices['transport'];
  readonly activity: Activity = new Activity();
  /** How it was when it was last seen. */
  status: SessionStatus;
  runtimeInstance: string | undefined;
  readonly #services: SessionServices;
  #domain: string;
  #endpoint: Endpoint;
  #sandbox: Sandbox | undefined;
  #isAgentKnown = false;
  #firstContact: Promise<void> | undefined;
  #resuming: Promise<boolean> | undefined;

  constructor(services: SessionServices, row: SandboxRecord) {
    this.sandboxId = row.sandboxId;
    this.labels = readLabels(row.metadata, row.templateId);
    this.transport = services.transport;
    this.status = row.state === 'paused' ? 'paused' : 'active';
    this.#services = services;
    this.#domain = row.sandboxDomain ?? services.platform.settings.domain;
    this.#endpoint = this.#address();
  }

  get logger(): Logger | undefined {
    return this.#services.calls.logger;
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  /** Keeps the SDK's own object for the sandbox, which has its tokens. */
  adopt(sandbox: Sandbox): void {
    this.#sandbox = sandbox;
    this.#domain = sandbox.sandboxDomain;
    this.#endpoint = this.#address();
  }

  /** Takes the state from what the platform just returned. */
  update(row: SandboxRecord): void {
    this.status = row.state === 'paused' ? 'paused' : 'active';
  }

  /** Asks the platform about the sandbox. @throws SessionNotFoundError when there is none any more. */
  async fetchRecord(signal: AbortSignal | undefined): Promise<SandboxRecord> {
    const row = await this.#closeIfGone(() => this.#services.sandboxes.info(this.sandboxId, signal));
    this.update(row);
    return row;
  }

  /** The agent has responded to this process, which so knows whether it honours keys. */
  markAgentReady(): void {
    this.#isAgentKnown = true;
  }

  /** Sees to it that the agent can be called: resumes it if it may, and learns what is not known of it yet. */
  async ready(settings: SessionSettings, cancellation: Cancellation): Promise<void> {
    cancellation.throwIfAborted();
    if (this.status === 'closed') throw this.#gone();
    if (this.status === 'paused') await this.#resumeForCall(settings, cancellation.signal);
    if (this.#isAgentKnown) return;
    this.#firstContact ??= this.#contact().finally(() => {
      this.#firstContact = undefined;
    });
    await abortable(this.#firstContact, cancellation.signal);
  }

  /**
   * Waits for the agent of a sandbox that somebody else made, and may be bringing up still.
   *
   * @throws SandboxCreationError when it does not become ready.
   */
  async join(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#isAgentKnown) return;
    try {
      if (!(await abortable(this.#reach(), signal))) return;
      await waitUntilReady(this, timeoutMs, signal);
      this.#isAgentKnown = true;
    } catch (error) {
      throw toJoinError(error, this.sandboxId);
    }
  }

  /** The gateway had no such sandbox: the platform knows whether it is paused or gone. */
  async recover(settings: SessionSettings, signal: AbortSignal): Promise<void> {
    const { state } = await this.fetchRecord(signal);
    if (state === 'paused') await this.#resumeForCall(settings, signal);
  }

  /** @returns whether it was not paused before. */
  async pause(keepMemory: boolean | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    const changed = await this.#closeIfGone(() =>
      this.#services.sandboxes.pause(this.sandboxId, keepMemory, signal),
    );
    this.status = 'paused';
    if (changed) this.logger?.info({ sandboxId: this.sandboxId }, 'sandbox paused');
    return changed;
  }

  /** Once for however many ask at the same time. @returns whether it was paused before. */
  resume(lifetimeMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    this.#resuming ??= this.#resume(lifetimeMs).finally(() => {
      this.#resuming = undefined;
    });
    return abortable(this.#resuming, signal);
  }

  /** Asks the platform, and the agent where there is one to ask. */
  async getStatus(signal: AbortSignal | undefined): Promise<SessionStatus> {
    try {
      const { state } = await this.fetchRecord(signal);
      if (state === 'paused') return this.status;
      await this.ping(signal ?? this.#services.platform.requestSignal());
    } catch (error) {
      signal?.throwIfAborted();
      if (this.status === 'active') this.status = NetworkError.isInstance(error) ? 'inactive' : 'error';
    }
    return this.status;
  }

  /** @throws SandboxOperationError for a paused sandbox, which no ping wakes. */
  async ping(signal: AbortSignal): Promise<PingResponse> {
    try {
      return await ping(this, signal);
    } catch (error) {
      if (!SessionNotFoundError.isInstance(error)) throw error;
      // The gateway's word against what was known: the platform decides.
      const { state } = await this.fetchRecord(signal);
      throw state === 'paused' ? this.#isPaused() : error;
    }
  }

  /** Extends the sandbox's life to at least this long; more that others have given it stays. */
  async refresh(lifetimeMs: number, signal?: AbortSignal): Promise<void> {
    const { endAt } = await this.fetchRecord(signal);
    if (endAt.getTime() >= Date.now() + lifetimeMs) return;
    await this.#closeIfGone(() => this.#services.sandboxes.setTimeout(this.sandboxId, lifetimeMs, signal));
  }

  /** @returns whether there was a sandbox to kill. */
  async close(): Promise<boolean> {
    if (this.status === 'closed') return false;
    const killed = await this.#services.sandboxes.kill(this.sandboxId);
    this.status = 'closed';
    if (killed) this.logger?.info({ sandboxId: this.sandboxId }, 'sandbox closed');
    return killed;
  }

  #address(): Endpoint {
    return agentEndpoint({
      sandboxId: this.sandboxId,
      port: this.labels.port,
      runtimeSessionId: this.labels.runtimeSessionId,
      domain: this.#domain,
      sandboxUrl: this.#services.platform.settings.sandboxUrl,
      trafficAccessToken: this.#sandbox?.trafficAccessToken,
    });
  }

  /** Runs a request to the platform; when that finds no sandbox, the session is closed. */
  async #closeIfGone<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      if (SessionNotFoundError.isInstance(error)) this.status = 'closed';
      throw error;
    }
  }

  async #resumeForCall({ autoResume, lifetimeMs }: SessionSettings, signal: AbortSignal): Promise<void> {
    if (!autoResume) throw this.#isPaused();
    await this.resume(lifetimeMs, signal);
  }

  async #resume(lifetimeMs: number): Promise<boolean> {
    const { state } = await this.fetchRecord(undefined);
    if (state !== 'paused') return false;
    const sandbox = await this.#closeIfGone(() =>
      this.#services.sandboxes.connect(this.sandboxId, lifetimeMs),
    );
    this.adopt(sandbox);
    await this.#wakeAgent(sandbox);
    this.#isAgentKnown = true;
    this.status = 'active';
    this.logger?.info({ sandboxId: this.sandboxId }, 'sandbox resumed');
    return true;
  }

  /** Kept memory brings the agent back with it; without, it has to be started as it was the first time. */
  async #wakeAgent(sandbox: Sandbox): Promise<void> {
    const { templates, readyTimeoutMs } = this.#services;
    const signal = new AbortController().signal;
    try {
      try {
        await waitUntilReady(this, answersByItselfMs, signal);
      } catch {
        const agent = await findAgentConfig(templates, this.labels.template);
        await ensureAgentReady({ target: this, sandbox, agent, readyTimeoutMs, signal });
      }
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      const reason = redact(said, this.#services.platform.auth);
      throw new SandboxOperationError(`Sandbox ${this.sandboxId} was resumed, but ${reason}`, {
        sandboxId: this.sandboxId,
      });
    }
  }

  /** The first use of a sandbox that this process did not create: its tokens, and whether its agent honours keys. */
  async #contact(): Promise<void> {
    if (!(await this.#reach())) return;
    // An agent that does not answer now is for the call to find out.
    const late = AbortSignal.timeout(5_000);
    await ping(this, late).catch(() => undefined);
    this.#isAgentKnown = true;
  }

  /** Learns how a running sandbox is reached. @returns false for a paused one, which is left alone. */
  async #reach(): Promise<boolean> {
    const { endAt } = await this.fetchRecord(undefined);
    if (this.status === 'paused') return false;
    // Just the time it has left: connecting is to extend nothing.
    const left = Math.max(endAt.getTime() - Date.now(), 1_000);
    this.adopt(await this.#closeIfGone(() => this.#services.sandboxes.connect(this.sandboxId, left)));
    return true;
  }

  #isPaused(): SandboxOperationError {
    return new SandboxOperationError(
      `Sandbox ${this.sandboxId} is paused: call \`resume()\`, or leave \`autoResume\` on for calls to do it.`,
      { sandboxId: this.sandboxId },
    );
  }

  #gone(): SessionNotFoundError {
    return new SessionNotFoundError(`Sandbox ${this.sandboxId} is closed.`, { sandboxId: this.sandboxId });
  }
}

function toJoinError(error: unknown, sandboxId: string): unknown {
  if (error instanceof NotReady) {
    const message = `Sandbox ${sandboxId} was there under this name, and is left as it is: ${error.message} Close it to have another one made.`;
    return new SandboxCreationError(message, { sandboxId, lastPing: error.lastPing });
  }
  if (!SessionNotFoundError.isInstance(error)) return error;
  const message = `Sandbox ${sandboxId}, which another caller made under this name, is gone: create the session again.`;
  return new SandboxCreationError(message, { sandboxId, retryable: true });
}
