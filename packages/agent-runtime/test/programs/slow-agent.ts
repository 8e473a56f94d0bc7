// An agent in a process of its own: streams a value every 50 ms, for as long as it is asked to.
import { AgentRuntimeApp } from '../../src/index.js';

const app = new AgentRuntimeApp({
  config: { port: 0, host: '127.0.0.1', shutdownGraceMs: Number(process.env.GRACE_MS), enableMetrics: false },
  logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
});
app.entrypoint(async function* ({ values }: { values: number }) {
  for (let value = 0; value < values; value++) {
    yield value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
app.onStop(() => console.log('stopped'));
const { port } = await app.run();
console.log(port);
