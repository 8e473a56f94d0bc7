// An agent for tests: notes that it stops, in the file that STOP_FILE names.
import { appendFile } from 'node:fs/promises';
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

const app = new AgentRuntimeApp();
app.entrypoint(async (request: { sleepMs?: number }) => {
  await new Promise((resolve) => setTimeout(resolve, request.sleepMs ?? 0));
  return 'done';
});
app.onStop(async () => {
  await new Promise((resolve) => setTimeout(resolve, 100));
  await appendFile(process.env.STOP_FILE ?? '', 'stopped\n');
});
await app.run();
