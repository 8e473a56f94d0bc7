export type { LogFunction, Logger } from '@sandpiper/protocol';
export {
  type AgentConfig,
  type AgentMetadata,
  AgentRuntimeError,
  type AgentRuntimeErrorOptions,
  type AgentSpec,
  type AgentStatus,
  DeploymentPhase,
  type InvocationRequest,
  type InvocationState,
  type PingResponse,
  PingStatus,
  type RuntimeSpec,
  type SandboxSpec,
  ValidationError,
  type ValidationIssue,
} from '@sandpiper/protocol';
export { AuthManager } from './auth/auth-manager.js';
export type { BatchOptions, BatchProgress, BatchResult } from './batch/batch.js';
export {
  AgentRuntimeClient,
  type InvokeAgentOptions,
  type InvokeAgentRuntimeOptions,
  type InvokeAgentRuntimeResponse,
} from './client.js';
export type { AgentRuntimeClientOptions, ClientConfig } from './client-config.js';
export { AgentClientError } from './errors/agent-client-error.js';
export { AuthenticationError } from './errors/authentication-error.js';
export {
  InvocationError,
  type InvocationErrorOptions,
  type InvocationOutcome,
} from './errors/invocation-error.js';
export { NetworkError } from './errors/network-error.js';
export { QuotaExceededError } from './errors/quota-exceeded-error.js';
export { RateLimitError } from './errors/rate-limit-error.js';
export { SandboxCreationError } from './errors/sandbox-creation-error.js';
export { SandboxOperationError } from './errors/sandbox-operation-error.js';
export { SessionNotFoundError } from './errors/session-not-found-error.js';
export { StreamInterruptedError } from './errors/stream-interrupted-error.js';
export { TemplateNotFoundError } from './errors/template-not-found-error.js';
export { type TimeoutCode, TimeoutError } from './errors/timeout-error.js';
export { AgentStream } from './invocation/agent-stream.js';
export type { CallOptions, RetryInfo } from './invocation/call-options.js';
export type { OutputSchema, SchemaIssue, SchemaResult } from './invocation/output-schema.js';
export type { InvocationInput } from './invocation/request.js';
export type { InvocationResponse, InvocationSummary } from './invocation/response.js';
export type { PlatformOptions } from './platform/platform-settings.js';
export type { CreateSessionOptions } from './sessions/create-session-options.js';
export type { ReapedSandbox, ReapOptions } from './sessions/orphans.js';
export type { SandboxConfig, SandboxVolume } from './sessions/sandbox-config.js';
export {
  type CheckedCallOptions,
  type InvokeOptions,
  type PauseOptions,
  type RefreshOptions,
  SandboxSession,
} from './sessions/sandbox-session.js';
export type { ClosedSession } from './sessions/session-manager.js';
export type { SessionOptions } from './sessions/session-settings.js';
export { SessionStatus } from './sessions/session-status.js';
export type { AgentTemplate } from './templates/agent-template.js';
export { type ListTemplatesOptions, TemplateManager } from './templates/template-manager.js';
