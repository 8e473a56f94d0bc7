import { setTimeout as sleep } from 'node:timers/promises';
import { AgentRuntimeApp } from '../../src/index.js';

/** Takes a few milliseconds for each request; says its port, and at the end how many it ran. */
const app = new AgentRuntimeApp({ config: { port: 0, host: '127.0.0.1' } });
let runs = 0;
app.entrypoint(async () => {
  await sleep(5);
  return ++runs;
});
app.onStop(() => console.log(`ran ${runs}`));
const { port } = await app.run();
console.log(port);
