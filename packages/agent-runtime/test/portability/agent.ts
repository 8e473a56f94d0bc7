import { setTimeout as sleep } from 'node:timers/promises';
import { AgentRuntimeApp, type RequestContext } from '@sandpiper/agent-runtime';

/** The agent that every runtime serves: a request says in `do` what it wants to see. */
const app: AgentRuntimeApp = new AgentRuntimeApp({
  config: { maxRequestBytes: 64 * 1024, heartbeatMs: 200, corsOrigins: ['https://page.example'] },
  logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
});

const seen = { runs: 0, cleanUps: 0, aborts: 0, reason: '' };

async function* count(to: number): AsyncGenerator<unknown> {
  try {
    for (let i = 1; i <= to; i++) {
      await sleep(i === 1 ? 0 : 20);
      yield { i, requestId: app.context?.requestId };
    }
  } finally {
    seen.cleanUps++;
  }
}

const actions: Record<string, (request: Record<string, unknown>, context: RequestContext) => unknown> = {
  echo: (request) => request,
  seen: () => seen,
  run: () => ++seen.runs,
  odd: () => ({
    big: 1n,
    date: new Date(0),
    map: new Map([['a', 1]]),
    bytes: new Uint8Array([1]),
    nan: Number.NaN,
  }),
  fail: () => {
    throw Object.assign(new RangeError('out of range'), { status: 418 });
  },
  count: ({ to }) => count(Number(to)),
  countOnce: ({ to }) => {
    seen.runs++;
    return count(Number(to));
  },
  break: async function* () {
    yield 1;
    throw new RangeError('broke');
  },
  response: () => new Response('as it is', { status: 201, headers: { 'x-made-by': 'handler' } }),
  think: ({ ms }) => sleep(Number(ms), 'thought'),
  silence: async function* ({ ms }, { signal }) {
    yield 1;
    await sleep(Number(ms), undefined, { signal });
    yield 2;
  },
  wait: async (_, { signal }) => {
    signal.addEventListener('abort', () => {
      seen.aborts++;
      seen.reason = signal.reason.name;
    });
    await sleep(60_000, undefined, { signal });
  },
};

app.entrypoint((request: Record<string, unknown>, context) => {
  const action = actions[String(request.do ?? 'echo')];
  return action?.(request, context);
});

export default app;
