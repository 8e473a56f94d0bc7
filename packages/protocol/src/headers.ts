/**
 * Header names of the wire protocol, in lower case, as `Headers` and `node:http` give them.
 * One list, so that no package spells a header of its own.
 */
export const headers = {
  /** Names one request. Taken from the caller, else made by the runtime; always echoed. */
  requestId: 'x-request-id',
  /** Names one invocation, whatever number of requests it takes to see it through (docs/wire-protocol.md, "At most once"). */
  idempotencyKey: 'idempotency-key',
  /** The invocation a response belongs to. */
  invocationId: 'x-invocation-id',
  /** Which request of its key this is, from 1 on. A runtime that may have forgotten the key refuses every one but the first. */
  invocationAttempt: 'x-invocation-attempt',
  /** What the invocation used, as JSON of the envelope's fields, where the body is no envelope. */
  usage: 'x-agent-usage',
  /** The sandbox the agent runs in. */
  sandboxId: 'x-sandbox-id',
  /** On a creation, to our host: the memory that this sandbox is limited to, in MiB, in place of its template's. */
  sandboxMemoryMB: 'x-sandbox-memory-mb',
  /** The same of processors; a part of one is a fraction. */
  sandboxCpuCount: 'x-sandbox-cpu-count',
  /** New at each start of the runtime's process; on every response. */
  runtimeInstance: 'x-runtime-instance',
  /** "Run this only if you are still the process that I spoke to." */
  ifRuntimeInstance: 'if-runtime-instance',
  /** Asks for resumable frames; echoed when they are given. */
  streamProtocol: 'x-stream-protocol',
  /** The last event a caller saw of a stream that it now resumes. */
  lastEventId: 'last-event-id',
  /** AgentCore's name for {@link headers.requestId}. */
  agentCoreRequestId: 'x-amzn-bedrock-agentcore-runtime-request-id',
  /** AgentCore's name for {@link headers.sandboxId}. */
  agentCoreSessionId: 'x-amzn-bedrock-agentcore-runtime-session-id',
  /** AgentCore: a token with which the agent calls others on its own behalf. */
  workloadAccessToken: 'workloadaccesstoken',
  /** AgentCore: where a user is sent back to after an OAuth 2 consent. */
  oauth2CallbackUrl: 'oauth2callbackurl',
  /** E2B's gateway: which sandbox a request is for, where the host name does not say. */
  e2bSandboxId: 'e2b-sandbox-id',
  /** E2B's gateway: which port of that sandbox. */
  e2bSandboxPort: 'e2b-sandbox-port',
  /** A gateway's own signed word that a request is for this sandbox. */
  gatewayToken: 'x-gateway-token',
  /** E2B's gateway: the token that opens a sandbox whose ports are not public. */
  e2bTrafficAccessToken: 'e2b-traffic-access-token',
} as const;

/** The one value of {@link headers.streamProtocol} there is: numbered frames and a `done` or `error` at the end. */
export const resumableStream = 'resumable-1';

/** The port an agent listens on inside its sandbox, unless configured otherwise (docs/wire-protocol.md, "Paths"). */
export const agentPort = 8080;
