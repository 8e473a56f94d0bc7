// An agent for tests: it does what its prompt says, and remembers how often it ran.
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

const app = new AgentRuntimeApp();
const started = Date.now();
let runs = 0;

interface Request {
  prompt?: string;
  n?: number;
  ms?: number;
  name?: string;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function* count(n: number, ms: number): AsyncGenerator<number> {
  for (let i = 1; i <= n; i += 1) {
    if (ms > 0) await sleep(ms);
    yield i;
  }
}

app.entrypoint(async (input: unknown) => {
  const { prompt, n = 5, ms = 0, name = '' } = input as Request;
  if (prompt === 'runs') return runs;
  runs += 1;
  switch (prompt) {
    case 'count':
      return count(n, ms);
    case 'sleep':
      await sleep(ms);
      return 'slept';
    case 'environment':
      return process.env[name] ?? null;
    case 'started':
      return started;
    case 'fail':
      throw new TypeError('told to');
    case 'exit':
      process.exit(3);
      break;
    default:
      return input;
  }
});

await app.run();
