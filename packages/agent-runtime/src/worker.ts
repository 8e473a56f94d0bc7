// What the package is on platforms without sockets to listen on: the same, but for what
// needs sockets (`run`, WebSockets), metrics, and the schema of `agent.yaml`, which is read where files are.
export {
  AgentRuntimeError,
  type AgentRuntimeErrorOptions,
  type InvocationEnvelope,
  type InvocationRequest,
  type InvocationState,
  type LogFunction,
  type Logger,
  type PingResponse,
  PingStatus,
  ValidationError,
  type ValidationIssue,
} from '@sandpiper/protocol';
export {
  type AgentRuntimeAppOptions,
  type AgentRuntimeServer,
  PortableApp as AgentRuntimeApp,
} from './app.js';
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
export type { PingHandler, PingResult } from './ping/health.js';
export type { Register } from './registration/registrar.js';
export type { AgentSocket, WebSocketHandler } from './websocket/agent-socket.js';
export type { TaskInfo } from './work/tasks.js';
