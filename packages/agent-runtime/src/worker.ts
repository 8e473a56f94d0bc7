// What the package is on platforms without sockets to listen on: the same, but for what
// needs sockets (`run`, WebSockets), metrics, and the schema of `agent.yaml`, which is read where files are.
export {
  AgentRuntimeError,
  PingStatus,
  ValidationError,
} from '@sandpiper/protocol';
export { PortableApp as AgentRuntimeApp } from './app.js';
export { AgentRuntimeContext } from './context/agent-runtime-context.js';
