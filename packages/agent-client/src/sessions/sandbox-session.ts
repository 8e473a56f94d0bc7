import type { InvocationState, PingResponse } from '@sandpiper/protocol';
import { checkOptions } from '../check-options.js';
import type { AgentTarget } from '../invocation/agent-lease.js';
import { AgentStream } from '../invocation/agent-stream.js';
import { Call, joined } from '../invocation/call.js';
import {
  acceptAnswer,
  acceptStream,
  type CallOptions,
  type CallSettings,
} from '../invocation/call-options.js';
import { cancelInvocation } from '../invocation/cancel-invocation.js';
import { Cancellation } from '../invocation/cancellation.js';
import { invocationState } from '../invocation/invocation-state.js';
import { invoke } from '../invocation/invoke.js';
import { checkOutput, type OutputSchema } from '../invocation/output-schema.js';
import type { InvocationInput } from '../invocation/request.js';
import type { InvocationResponse } from '../invocation/response.js';
import type { SandboxRecord } from './sandbox-api.js';
import type { SandboxHandle } from './sandbox-handle.js';
import { withoutLabels } from './sandbox-labels.js';
import type { SessionAgent } from './session-agent.js';
import type { SessionStatus } from './session-status.js';

/** Options of {@link SandboxSession.invoke}. */
export interface InvokeOptions extends CallOptions {
  /** Whether the response is wanted as an {@link AgentStream}, as `stream()` gives it. Default: false. */
  stream?: boolean | undefined;
}

/** Options of a call whose values are checked. */
export interface CheckedCallOptions<T> extends CallOptions {
  /** What the result, or each value of a stream, has to be like; gives it its type. */
  output: OutputSchema<T>;
}

/** How a sandbox is to be paused. */
export interface PauseOptions {
  /** Whether memory is kept, where the platform can do without. Default: true. Without, `resume` starts the agent again. */
  keepMemory?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** How long a sandbox is to live. */
export interface RefreshOptions {
  /** How long from now on, in milliseconds. Default: the session's `lifetimeMs`. */
  lifetimeMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** What a session needs of the client that made it. */
export interface SessionParts {
  agent: SessionAgent;
  row: SandboxRecord;
  isNew: boolean;
  calls: CallSettings;
  onClosed: () => void;
}

/**
 * One sandbox with an agent in it. Its methods ask the platform for the truth; its properties say what was last known.
 *
 * @example
 * await using session = await client.createSession('my-agent');
 * const { result } = await session.invoke('How many rows has the file?');
 */
export class SandboxSession implements AsyncDisposable {
  /** The template, as it was named at creation. */
  readonly templateId: string;
  /** The caller's own name for the conversation, by which any process finds the sandbox again. */
  readonly runtimeSessionId: string | undefined;
  /** The caller's own metadata of the sandbox. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When the sandbox was started. */
  readonly createdAt: Date;
  /** Whether the sandbox was created for this session; false where it was found, under its id or its caller's own name. */
  readonly isNew: boolean;
  readonly #sandbox: SandboxHandle;
  readonly #agent: SessionAgent;
  readonly #calls: CallSettings;
  readonly #onClosed: () => void;

  /** @internal Made by the client: `createSession`, `getSession`, `listSessions`. */
  constructor({ agent, row, isNew, calls, onClosed }: SessionParts) {
    const { sandbox } = agent;
    this.templateId = sandbox.labels.template;
    this.runtimeSessionId = sandbox.labels.runtimeSessionId;
    this.metadata = withoutLabels(row.metadata);
    this.createdAt = row.startedAt;
    this.isNew = isNew;
    this.#sandbox = sandbox;
    this.#agent = agent;
    this.#calls = calls;
    this.#onClosed = onClosed;
  }

  /** The sandbox's id, which is also the session's. */
  get sandboxId(): string {
    return this.#sandbox.sandboxId;
  }

  /** The same as {@link SandboxSession.sandboxId}. */
  get sessionId(): string {
    return this.sandboxId;
  }

  /** Where the agent is reached. On a self-hosted platform the sandbox is named by headers besides. */
  get hostUrl(): string {
    const { origin, basePath } = this.#sandbox.endpoint;
    return origin + basePath;
  }

  /** Whether the agent responded when it was last asked. */
  get isActive(): boolean {
    return this.#sandbox.status === 'active';
  }

  /** Whether the sandbox was paused when the platform was last asked. */
  get isPaused(): boolean {
    return this.#sandbox.status === 'paused';
  }

  /** How long ago the sandbox was started, in seconds. */
  get ageSeconds(): number {
    return (Date.now() - this.createdAt.getTime()) / 1000;
  }

  /** How long ago this process last used the session, in seconds; 0 while a call is in flight. */
  get idleSeconds(): number {
    return this.#sandbox.activity.idleSeconds;
  }

  /**
   * Calls the agent and waits for its whole response. The agent runs it at most once, however often it must be sent.
   *
   * @throws InvocationError when the agent fails, or when nobody can say whether it ran (`outcome: 'unknown'`).
   * @throws ValidationError when the agent refuses the input, or `output` the result.
   * @throws NetworkError, TimeoutError, RateLimitError, SessionNotFoundError, AuthenticationError.
   * @example
   * const { result, durationSeconds } = await session.invoke({ prompt: 'Sum up.', data: { file: 'a.csv' } });
   */
  invoke(request: InvocationInput, options: InvokeOptions & { stream: true }): Promise<AgentStream>;
  invoke<T>(request: InvocationInput, options: CheckedCallOptions<T>): Promise<InvocationResponse<T>>;
  invoke(request: InvocationInput, options?: InvokeOptions): Promise<InvocationResponse>;
  async invoke(
    request: InvocationInput,
    options: InvokeOptions & { output?: OutputSchema<unknown> } = {},
  ): Promise<InvocationResponse | AgentStream> {
    const { stream, output, ...call } = options;
    if (stream) return this.stream(request, options);
    return invoke(this.#call(request, call, acceptAnswer), output);
  }

  /**
   * Calls the agent and gives its response value by value. The call begins at once; what is wrong with it is thrown to
   * the reader.
   *
   * @throws ValidationError when the request is no text and no object.
   * @example
   * for await (const chunk of session.stream('Write a story.')) process.stdout.write(String(chunk));
   */
  stream<T>(request: InvocationInput, options: CheckedCallOptions<T>): AgentStream<T>;
  stream(request: InvocationInput, options?: CallOptions): AgentStream;
  stream(
    request: InvocationInput,
    options: InvokeOptions & { output?: OutputSchema<unknown> } = {},
  ): AgentStream {
    const { stream: _, output, ...rest } = options;
    const call = this.#call(request, rest, acceptStream);
    return new AgentStream(
      call,
      output ? (value) => checkOutput(output, value, call.facts) : (value) => value,
    );
  }

  /**
   * Goes on with an invocation that another request, or another process, began: all its values, from the first on. Runs
   * nothing.
   *
   * @throws InvocationError (to the reader of the stream) with `errorType: 'not_found'` for an invocation that the agent
   * does not know, or whose values it does not keep any more.
   */
  attach(invocationId: string, options: Omit<CallOptions, 'idempotencyKey'> = {}): AgentStream {
    const call = { ...options, idempotencyKey: invocationId };
    return new AgentStream(this.#call(joined, call, acceptStream), (value) => value);
  }

  /** Where an invocation stands; undefined when the agent does not know it. Resumes a paused sandbox as a call does. */
  async getInvocationState(
    invocationId: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<InvocationState | undefined> {
    return this.#withAgent(options.signal, (target, signal) =>
      invocationState(target, { invocationId, signal }),
    );
  }

  /** Ends an invocation, whichever process began it: its handler's `signal` aborts. Does nothing where there is none. */
  async cancelInvocation(
    invocationId: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    await this.#withAgent(options.signal, (target) =>
      cancelInvocation(target, { invocationId, requestId: crypto.randomUUID() }),
    );
  }

  /**
   * Stops the sandbox and keeps its state.
   *
   * @returns whether it was running before.
   * @throws SandboxOperationError, SessionNotFoundError.
   */
  pause(options: PauseOptions = {}): Promise<boolean> {
    checkOptions('pause', options);
    this.#sandbox.activity.touch();
    return this.#sandbox.pause(options.keepMemory, options.signal);
  }

  /**
   * Resumes a paused sandbox, and waits until its agent responds.
   *
   * @returns whether it was paused before.
   * @throws SandboxOperationError, SessionNotFoundError.
   */
  resume(options: { signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    this.#sandbox.activity.touch();
    return this.#sandbox.resume(this.#agent.settings.lifetimeMs, options.signal);
  }

  /**
   * Asks the agent how it is. Wakes nothing: a paused sandbox stays so.
   *
   * @throws NetworkError when no agent responds, InvocationError when it reports that it is unhealthy.
   */
  ping(options: { signal?: AbortSignal | undefined } = {}): Promise<PingResponse> {
    const late = AbortSignal.timeout(10_000);
    return this.#sandbox.ping(options.signal ? AbortSignal.any([options.signal, late]) : late);
  }

  /** How the session is, as the platform and the agent say. */
  getStatus(options: { signal?: AbortSignal | undefined } = {}): Promise<SessionStatus> {
    return this.#sandbox.getStatus(options.signal);
  }

  /**
   * Gives the sandbox its full life again, counted from now. Never shortens it: what another caller gave it stays.
   *
   * @throws SessionNotFoundError when it is too late.
   */
  refresh(options: RefreshOptions = {}): Promise<void> {
    checkOptions('refresh', options);
    this.#sandbox.activity.touch();
    return this.#sandbox.refresh(options.lifetimeMs ?? this.#agent.settings.lifetimeMs, options.signal);
  }

  /**
   * Kills the sandbox, and the agent with it, which `@sandpiper/sandbox-host` lets run its stop hooks first, for some seconds
   * at most. Closing what is closed does nothing.
   *
   * @returns whether there was a sandbox to kill.
   * @throws SandboxOperationError when the platform does not do it; the session then is not closed.
   */
  async close(): Promise<boolean> {
    const killed = await this.#sandbox.close();
    this.#onClosed();
    return killed;
  }

  /** The same as {@link SandboxSession.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #withAgent<T>(
    caller: AbortSignal | undefined,
    ask: (target: AgentTarget, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const late = AbortSignal.timeout(this.#calls.timeoutMs > 0 ? this.#calls.timeoutMs : 60_000);
    const signal = caller ? AbortSignal.any([caller, late]) : late;
    const cancellation = new Cancellation();
    const onAbort = (): void => cancellation.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const lease = await this.#agent.lease(cancellation);
    try {
      return await ask(lease.target, signal);
    } finally {
      signal.removeEventListener('abort', onAbort);
      await lease.release();
    }
  }

  #call(request: InvocationInput | typeof joined, options: CallOptions, accept: string): Call {
    return new Call((cancellation) => this.#agent.lease(cancellation), request, this.#calls, options, accept);
  }
}
