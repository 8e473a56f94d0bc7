import { AuthManager } from './auth/auth-manager.js';
import { type BatchOptions, type BatchResult, batch } from './batch/batch.js';
import { checkName, checkOptions } from './check-options.js';
import {
  type AgentRuntimeClientOptions,
  callSettings,
  clientConfig,
  transportOptions,
} from './client-config.js';
import { SessionNotFoundError } from './errors/session-not-found-error.js';
import type { LeaseAgent } from './invocation/agent-lease.js';
import { AgentStream } from './invocation/agent-stream.js';
import { Call } from './invocation/call.js';
import {
  acceptAnswer,
  acceptStream,
  type CallOptions,
  type CallSettings,
} from './invocation/call-options.js';
import { invoke } from './invocation/invoke.js';
import { type InvocationInput, readPayload } from './invocation/request.js';
import type { InvocationResponse } from './invocation/response.js';
import { Platform } from './platform/platform.js';
import { platformSettings } from './platform/platform-settings.js';
import type { CreateSessionOptions } from './sessions/create-session-options.js';
import type { ReapedSandbox, ReapOptions } from './sessions/orphans.js';
import { SandboxApi } from './sessions/sandbox-api.js';
import type { SandboxSession } from './sessions/sandbox-session.js';
import { type ClosedSession, SessionManager } from './sessions/session-manager.js';
import type { SessionOptions } from './sessions/session-settings.js';
import type { AgentTemplate } from './templates/agent-template.js';
import { possibleTemplates, resolveAgentId } from './templates/resolve-agent-id.js';
import { type ListTemplatesOptions, TemplateManager } from './templates/template-manager.js';
import { createTransport } from './transport/create-transport.js';
import type { Transport } from './transport/transport.js';

/** Options of a call that finds its own session. */
export interface InvokeAgentOptions extends CallOptions {
  /** The session to use; it is left open. Default: one is made for the call, and closed with it. */
  sandboxId?: string | undefined;
  /**
   * Whether a session may be made for the call. Without, and without `sandboxId`, a session of the template that the
   * client holds is used. Default: true.
   */
  createSession?: boolean | undefined;
  /** How the session is made. */
  session?: CreateSessionOptions | undefined;
}

/** A call in AgentCore's terms. */
export interface InvokeAgentRuntimeOptions extends CallOptions {
  /** `name-templateId`, an ARN that ends so, or a template's id or name. */
  agentId: string;
  payload: InvocationInput;
  /** The conversation: its session is found again by it, and made where there is none. Default: a new one. */
  runtimeSessionId?: string | undefined;
  /** How the session is made. */
  session?: CreateSessionOptions | undefined;
}

/** A response, and the conversation it belongs to. */
export interface InvokeAgentRuntimeResponse extends InvocationResponse {
  runtimeSessionId: string;
}

/**
 * Calls agents in sandboxes, from any backend.
 *
 * @example
 * await using client = new AgentRuntimeClient(); // E2B_API_KEY or PPIO_API_KEY
 * await using session = await client.createSession('my-agent');
 * const { result } = await session.invoke('What is in the file?');
 */
export class AgentRuntimeClient implements AsyncDisposable {
  readonly auth: AuthManager;
  readonly templates: TemplateManager;
  readonly #calls: CallSettings;
  readonly #sessions: SessionManager;
  readonly #transport: Transport;
  #closing: Promise<void> | undefined;

  /** @throws AuthenticationError when there is no API key, ValidationError when an option is not valid. */
  constructor(options: AgentRuntimeClientOptions = {}) {
    checkOptions('AgentRuntimeClient', options);
    const config = clientConfig(options);
    this.auth = new AuthManager(options.apiKey);
    const { domain, apiUrl, sandboxUrl } = options;
    const where = { domain, apiUrl, sandboxUrl, requestTimeoutMs: config.requestTimeoutMs };
    const platform = new Platform(platformSettings(where, this.auth), this.auth);
    this.templates = new TemplateManager(this.auth, where);
    this.#transport = createTransport(transportOptions(config));
    this.#calls = callSettings(config, options.timeoutMs);
    this.#sessions = new SessionManager({
      platform,
      sandboxes: new SandboxApi(platform),
      templates: this.templates,
      transport: this.#transport,
      calls: this.#calls,
      readyTimeoutMs: config.readyTimeoutMs ?? 60_000,
    });
  }

  /**
   * Makes a sandbox from a template, has its agent started, and waits until it responds.
   *
   * @throws TemplateNotFoundError, SandboxCreationError, AuthenticationError, QuotaExceededError, RateLimitError,
   * NetworkError, TimeoutError. Nothing is left behind: what was made is killed.
   * @example
   * const session = await client.createSession('my-agent', { runtimeSessionId: 'conversation-7' });
   */
  async createSession(templateId: string, options: CreateSessionOptions = {}): Promise<SandboxSession> {
    return (await this.#sessions.create(templateId, options)).session;
  }

  /**
   * Finds a session, of whichever process, by its sandbox or by the conversation's own id. Neither wakes nor extends it.
   *
   * @throws SessionNotFoundError when the platform has no such sandbox.
   */
  async getSession(
    wanted: string | { runtimeSessionId: string },
    options: SessionOptions & { signal?: AbortSignal | undefined } = {},
  ): Promise<SandboxSession> {
    checkOptions('getSession', options);
    const found = await this.#sessions.find(wanted, options);
    if (found) return found.session;
    if (typeof wanted === 'string') throw noSandbox(wanted);
    throw new SessionNotFoundError(`There is no session of \`runtimeSessionId\` ${wanted.runtimeSessionId}.`);
  }

  /** Every session made with this package under the account, running or paused, oldest first. */
  listSessions(options: { signal?: AbortSignal | undefined } = {}): Promise<SandboxSession[]> {
    return this.#sessions.list(options);
  }

  /** Kills a sandbox. @throws SessionNotFoundError when there is none of that id. */
  closeSession(sandboxId: string): Promise<void> {
    return this.#sessions.close(sandboxId);
  }

  /** Closes every session that this client made or looked up. @returns what became of each. */
  closeAllSessions(): Promise<ClosedSession[]> {
    return this.#sessions.closeAll();
  }

  /** Kills what is left over of creations that failed, here or, by age, anywhere. @returns what became of each. */
  reap(options: ReapOptions = {}): Promise<ReapedSandbox[]> {
    return this.#sessions.reap(options);
  }

  /** The account's templates, with what they say of their agents. */
  listTemplates(options: ListTemplatesOptions = {}): Promise<AgentTemplate[]> {
    return this.templates.listTemplates(options);
  }

  /** One template, by its id or name. @throws TemplateNotFoundError. */
  getTemplate(
    templateId: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<AgentTemplate> {
    return this.templates.getTemplate(templateId, options);
  }

  /**
   * Calls an agent without a session of your own: one is made for the call and closed with it.
   *
   * @throws what `createSession` and `session.invoke` throw.
   * @example
   * const { result } = await client.invokeAgent('my-agent', 'What is 6 × 7?');
   */
  async invokeAgent(
    templateId: string,
    request: InvocationInput,
    options: InvokeAgentOptions = {},
  ): Promise<InvocationResponse> {
    return invoke(this.#oneCall(templateId, request, options, acceptAnswer));
  }

  /**
   * The same, value by value. The session that was made for it is closed when the stream has ended or is cancelled.
   *
   * @example
   * for await (const chunk of client.invokeAgentStream('my-agent', 'Write a story.')) console.log(chunk);
   */
  invokeAgentStream(
    templateId: string,
    request: InvocationInput,
    options: InvokeAgentOptions = {},
  ): AgentStream {
    return new AgentStream(this.#oneCall(templateId, request, options, acceptStream), (value) => value);
  }

  /**
   * Calls an agent in AgentCore's terms: in the conversation of that id, which goes on from call to call and is kept when
   * the client is closed.
   */
  async invokeAgentRuntime(options: InvokeAgentRuntimeOptions): Promise<InvokeAgentRuntimeResponse> {
    const { agentId, payload, runtimeSessionId = crypto.randomUUID(), session = {}, ...call } = options;
    checkName('agentId', agentId);
    checkOptions('createSession', session);
    const lease: LeaseAgent = async (cancellation) => {
      const { signal } = cancellation;
      const templateId = (): Promise<string> => resolveAgentId(this.templates, agentId, { signal });
      const found = await this.#sessions.find({ runtimeSessionId }, { ...session, signal });
      if (found) {
        // Mostly the names say it, and nobody has to be asked.
        const known: (string | undefined)[] = [found.session.templateId, found.row.templateId];
        if (!possibleTemplates(agentId).some((name) => known.includes(name)))
          await this.#sessions.checkTemplate(found, await templateId());
        return found.agent.lease(cancellation);
      }
      const options = { ...session, runtimeSessionId, signal };
      const made = await this.#sessions.create(await templateId(), options);
      return made.agent.lease(cancellation);
    };
    const answer = await invoke(new Call(lease, readPayload(payload), this.#calls, call, acceptAnswer));
    return { ...answer, runtimeSessionId };
  }

  /**
   * Calls an agent many times, in sandboxes that are made for it, shared, and closed with it.
   *
   * @returns the results as they come, each with its own error if it failed. Leaving the loop ends the rest.
   * @example
   * for await (const { index, response, error } of client.batch('my-agent', prompts, { concurrency: 8 })) {
   *   console.log(index, error ?? response.result);
   * }
   */
  batch(
    templateId: string,
    requests: Iterable<InvocationInput> | AsyncIterable<InvocationInput>,
    options: BatchOptions = {},
  ): AsyncIterable<BatchResult> {
    return batch(
      (signal) => this.createSession(templateId, { ...options.session, signal }),
      requests,
      options,
    );
  }

  /**
   * Closes the sessions that were made here, but for those with a `runtimeSessionId`, and every connection. Closing
   * again does nothing.
   */
  close(): Promise<void> {
    this.#closing ??= this.#sessions.end().finally(() => this.#transport.close());
    return this.#closing;
  }

  /** The same as {@link AgentRuntimeClient.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #oneCall(templateId: string, request: InvocationInput, options: InvokeAgentOptions, accept: string): Call {
    const { sandboxId, createSession = true, session = {}, ...call } = options;
    checkOptions('createSession', session);
    const lease = this.#leaseFor(templateId, { sandboxId, createSession, session });
    return new Call(lease, request, this.#calls, call, accept);
  }

  #leaseFor(
    templateId: string,
    {
      sandboxId,
      createSession,
      session,
    }: Pick<InvokeAgentOptions, 'sandboxId'> & { createSession: boolean; session: CreateSessionOptions },
  ): LeaseAgent {
    if (sandboxId === undefined && createSession) return this.#sessions.oneOff(templateId, session);
    return async (cancellation) => {
      const opened =
        sandboxId === undefined
          ? this.#sessions.heldFor(templateId)
          : await this.#sessions.find(sandboxId, { ...session, signal: cancellation.signal });
      if (opened) return opened.agent.lease(cancellation);
      if (sandboxId !== undefined) throw noSandbox(sandboxId);
      throw new SessionNotFoundError(
        `There is no session of template ${templateId}: create one, or leave \`createSession\` on.`,
      );
    };
  }
}

function noSandbox(sandboxId: string): SessionNotFoundError {
  return new SessionNotFoundError(`There is no sandbox ${sandboxId}.`, { sandboxId });
}
