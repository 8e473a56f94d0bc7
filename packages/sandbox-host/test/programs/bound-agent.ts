// An agent for tests of pools: tells its environment, what it was bound with, and in which process it runs.
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

const app = new AgentRuntimeApp();
let metadata: Record<string, string> = {};
app.onBind((binding) => {
  metadata = binding.metadata;
});
app.entrypoint(() => ({ env: process.env, metadata, uptime: process.uptime() }));
await app.run();
