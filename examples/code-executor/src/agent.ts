import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import { requestSchema } from './request.js';
import { run } from './run.js';

const app = new AgentRuntimeApp({
  config: {
    // Each run may take as much memory as it asks for; more callers are told to come back.
    maxConcurrency: 4,
    // Files come along in the request.
    maxRequestBytes: 8 * 1024 * 1024,
    // A run has its own, and no longer one.
    timeoutMs: 310_000,
  },
});

app.entrypoint({ input: requestSchema }, (request, context) => run(request, context.signal));

app.run();
