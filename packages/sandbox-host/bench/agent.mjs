// The agent whose start is measured.
import { randomBytes } from 'node:crypto';
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

// What it holds while it waits, as one that has been at work does. Buffers of random bytes: nothing packs them.
const held = Array.from({ length: Number(process.env.BENCH_DATA_MB ?? 0) }, () => randomBytes(2 ** 20));

const app = new AgentRuntimeApp();
app.entrypoint((request) => (request?.held ? held.length : request));
await app.run();
