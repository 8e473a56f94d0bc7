// The agent whose start is measured.
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

const app = new AgentRuntimeApp();
app.entrypoint((request) => request);
await app.run();
