import type { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import app from './agent.js';

// Bun serves what a module exports by default, and reads from it where to listen.
const served: AgentRuntimeApp = Object.assign(app, { hostname: '127.0.0.1', port: 0 });
export default served;
