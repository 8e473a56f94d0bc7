export type { LogFunction, Logger } from '@sandpiper/protocol';
export {
  type AgentConfig,
  type AgentMetadata,
  AgentRuntimeError,
  type AgentRuntimeErrorOptions,
  type AgentSpec,
  type AgentStatus,
  agentConfigSchema,
  DeploymentPhase,
  type InvocationEnvelope,
  type InvocationRequest,
  type InvocationState,
  type PingResponse,
  PingStatus,
  type RuntimeSpec,
  type SandboxSpec,
  ValidationError,
  type ValidationIssue,
} from '@sandpiper/protocol';
export type { AgentRuntimeAppOptions, AgentRuntimeServer } from './app.js';
export type { BindHook, Binding } from './binding/binder.js';
export type { AuthConfig, JwtConfig, RetentionConfig, RuntimeConfig } from './config.js';
export { AgentRuntimeContext } from './context/agent-runtime-context.js';
export { RequestContext } from './context/request-context.js';
export type { Usage } from './context/usage.js';
export type { EntrypointOptions, Handler } from './entrypoint/handler.js';
export type { InputIssue, InputResult, InputSchema } from './entrypoint/input-schema.js';
export type { EntrypointMethod, RegisterEntrypoint } from './entrypoint/register-entrypoint.js';
export type { Middleware, Next } from './http/middleware.js';
export type { LifespanHook } from './lifespan/lifespan.js';
export { AgentRuntimeApp } from './node/node-app.js';
export type { PingHandler, PingResult } from './ping/health.js';
export type { Register } from './registration/registrar.js';
export type { AgentSocket, WebSocketHandler } from './websocket/agent-socket.js';
export type { TaskInfo } from './work/tasks.js';
