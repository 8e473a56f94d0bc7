// An agent for tests: it writes down each run of its handler in the file it is told, so that runs outlive its process.
import { appendFileSync } from 'node:fs';
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

interface Request {
  id: string;
  n: number;
  ms: number;
  stream: boolean;
  fail: boolean;
}

const [runs = ''] = process.argv.slice(2);
const app = new AgentRuntimeApp({
  // Few responses are kept, so that most retries come when theirs is forgotten.
  config: { host: '127.0.0.1', port: 0, heartbeatMs: 200, retention: { count: 10 } },
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function* count({ n, ms, fail }: Request): AsyncGenerator<number> {
  for (let i = 1; i <= n; i += 1) {
    if (ms > 0) await pause(ms);
    yield i;
  }
  if (fail) throw new RangeError('told to fail');
}

app.entrypoint(async (input: unknown) => {
  const request = input as Request;
  appendFileSync(runs, `${request.id}\n`);
  if (request.stream) return count(request);
  await pause(request.ms);
  if (request.fail) throw new RangeError('told to fail');
  return { id: request.id, sum: (request.n * (request.n + 1)) / 2 };
});

const { port } = await app.run();
process.stdout.write(`listening on ${port}\n`);
