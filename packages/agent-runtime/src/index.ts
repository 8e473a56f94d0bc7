export {
  type AgentConfig,
  type AgentMetadata,
  AgentRuntimeError,
  type AgentRuntimeErrorOptions,
  type AgentSpec,
  type AgentStatus,
  agentConfigSchema,
  DeploymentPhase,
  type InvocationEnvelope as InvocationResponse,
  type InvocationRequest,
  type InvocationState,
  type PingResponse,
  PingStatus,
  type RuntimeSpec,
  type SandboxSpec,
  ValidationError,
  type ValidationIssue,
} from '@sandpiper/protocol';
export { AgentRuntimeApp, type AgentRuntimeAppOptions } from './app.js';
export type { RuntimeConfig } from './config.js';
export { AgentRuntimeContext } from './context/agent-runtime-context.js';
export type { RequestContext } from './context/request-context.js';
export type { EntrypointOptions, Handler } from './entrypoint/handler.js';
export type { InputIssue, InputResult, InputSchema } from './entrypoint/input-schema.js';
export type { RegisterEntrypoint } from './entrypoint/register-entrypoint.js';
export type { Middleware, Next } from './http/middleware.js';
export type { AgentRuntimeServer } from './node/listen.js';
export type { PingHandler, PingResult } from './ping/health.js';
