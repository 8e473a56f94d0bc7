// An agent in a process of its own: gives back what it is sent, as a stream to who asks for one, and tells how it is.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AgentRuntimeApp } from '../../src/index.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const app = new AgentRuntimeApp({
  config: {
    port: 0,
    host: '127.0.0.1',
    maxRequestBytes: 64 * 1024,
    timeoutMs: 10_000,
    resumeGraceMs: 100,
    retention: { count: 100, bytes: 1024 * 1024 },
    corsOrigins: ['https://page.example'],
  },
  logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
});

app.entrypoint(async (request: unknown, context) => {
  if (context.headers['x-agent'] === 'state') {
    return { polluted: Object.keys(Object.prototype).length > 0 || 'polluted' in {} };
  }
  if (context.headers['x-agent'] === 'memory') {
    collectGarbage();
    return { heapUsed: process.memoryUsage().heapUsed, rss: process.memoryUsage.rss() };
  }
  if (context.headers['x-agent'] !== 'stream') return request;
  return (async function* () {
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      yield request;
    }
  })();
});
app.websocket(async (socket) => {
  for await (const message of socket) await socket.send(message);
});

const { port } = await app.run();
console.log(port);
