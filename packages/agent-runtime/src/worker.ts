// What the package is on platforms without sockets to listen on: the same, but for `run`, metrics and WebSockets.
export {
  AgentRuntimeError,
  agentConfigSchema,
  DeploymentPhase,
  PingStatus,
  ValidationError,
} from '@sandpiper/protocol';
export { PortableApp as AgentRuntimeApp } from './app.js';
export { AgentRuntimeContext } from './context/agent-runtime-context.js';
