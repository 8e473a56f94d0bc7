// Many calls through a faulty proxy, to agents that are killed and forget: `CHAOS_CALLS=20000` for a long run.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AgentRuntimeError } from '@sandpiper/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { connect, type TestAgent } from './support/agent-server.js';
import { type Fault, faultyProxy } from './support/faulty-proxy.js';
import { bundleAgent } from './support/platform.js';
import { seeded } from './support/seeded.js';

const calls = Number(process.env.CHAOS_CALLS ?? 1_000);
/** A busy machine does as many as it can in this time; nobody waits for more unless they ask for it. */
const enoughMs = process.env.CHAOS_CALLS ? Number.POSITIVE_INFINITY : 40_000;
const workers = 16;

const answer = (status: string, type: string, body: string, more = ''): string =>
  `HTTP/1.1 ${status}\r\n${type && `content-type: ${type}\r\n`}${more}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
/** What proxies answer in an agent's place. */
const foreign = [
  answer('200 OK', 'text/html', '<!doctype html><title>Welcome</title>'),
  answer('200 OK', '', ''),
  answer('200 OK', 'application/json', '{"result":"made up","status":"success"}'),
  answer('200 OK', 'text/event-stream', 'data: 1\n\ndata: [DONE]\n\n'),
  answer('404 Not Found', 'text/html', '<h1>404</h1>'),
  answer('500 Internal Server Error', 'application/json', '{"error":"made up","error_type":"E"}'),
  answer('502 Bad Gateway', 'text/html', '<h1>502</h1>'),
  answer('504 Gateway Timeout', 'text/plain', 'upstream request timeout'),
  answer('503 Service Unavailable', 'application/json', '{"error":"made up"}', 'retry-after: 0\r\n'),
];

/** One process of the agent after another, each of which writes its runs into one file. */
async function agentProcesses(): Promise<{ start(): Promise<number>; runs(): Promise<Map<string, number>> }> {
  const folder = await mkdtemp(join(tmpdir(), 'chaos-'));
  const program = join(folder, 'agent.mjs');
  const log = join(folder, 'runs');
  await writeFile(program, await bundleAgent(fileURLToPath(new URL('agents/counting.ts', import.meta.url))));
  await writeFile(log, '');
  let running: ChildProcess | undefined;
  let starting = Promise.resolve(0);
  onTestFinished(async () => {
    running?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  return {
    start() {
      // One after the other: each ends the one before it.
      starting = starting.then(async () => {
        running?.kill('SIGKILL');
        const child = spawn(process.execPath, [program, log], { stdio: ['ignore', 'pipe', 'ignore'] });
        running = child;
        for await (const line of createInterface({ input: child.stdout })) {
          const port = /^listening on (\d+)$/.exec(line)?.[1];
          if (port) return Number(port);
        }
        throw new Error('The agent ended before it listened.');
      });
      return starting;
    },
    async runs() {
      const counts = new Map<string, number>();
      for (const id of (await readFile(log, 'utf8')).trim().split('\n')) {
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      return counts;
    },
  };
}

async function instanceOf(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/ping`)).headers.get('x-runtime-instance') ?? '';
}

interface Ended {
  id: string;
  fail: boolean;
  outcome: 'success' | 'failed' | 'not_run' | 'unknown';
}

test('through any disturbance a handler runs at most once, and no ending is made up', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const nextFault = (): Fault => {
    const one = random();
    if (one < 0.2) return { kind: 'cut', afterBytes: pick(900), reset: random() < 0.5 };
    if (one < 0.32)
      return { kind: 'foreign', bytes: foreign[pick(foreign.length)] ?? '', passesOn: random() < 0.5 };
    if (one < 0.38) return { kind: 'stale' };
    if (one < 0.46) return { kind: 'replayed' };
    if (one < 0.5) return { kind: 'late', ms: pick(60) };
    if (one < 0.54) return { kind: 'swallowed' };
    if (one < 0.57) return { kind: 'refused' };
    return one < 0.62 ? { kind: 'pieces', size: 1 + pick(20) } : { kind: 'none' };
  };
  const agents = await agentProcesses();
  const proxy = await faultyProxy(await agents.start(), nextFault);
  const agent = connect(proxy.origin, [], {
    runtimeInstance: await instanceOf(proxy.upstreamPort),
    config: { retryDelayMs: 2, maxRetries: 4 },
    timeoutMs: 20_000,
  });
  const ended: Ended[] = [];
  const deadline = performance.now() + enoughMs;
  const work = async (first: number): Promise<void> => {
    for (let index = first; index < calls && performance.now() < deadline; index += workers) {
      // Now and then the agent is killed, with whatever it was at.
      if (index % 200 === 199) proxy.upstreamPort = await agents.start();
      ended.push(await call(agent, { id: `call-${index}`, n: 1 + pick(12), ms: pick(4) }, random));
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, first) => work(first)));

  const runs = await agents.runs();
  expect([...runs].filter(([, times]) => times > 1)).toEqual([]);
  for (const { id, fail, outcome } of ended) {
    const expected = {
      success: [1, false],
      failed: [1, true],
      not_run: [0, fail],
      unknown: [runs.get(id) ?? 0, fail],
    };
    expect([id, outcome, runs.get(id) ?? 0, fail]).toEqual([id, outcome, ...expected[outcome]]);
  }
  const counts = { success: 0, failed: 0, not_run: 0, unknown: 0 };
  for (const { outcome } of ended) counts[outcome] += 1;
  console.log(counts);
  expect(counts.success).toBeGreaterThan(ended.length / 3);
  expect(ended.length).toBeGreaterThan(100);
}, 3_600_000);

/** Makes one call, and checks that what it ends with is the handler's own. */
async function call(
  agent: TestAgent,
  { id, n, ms }: { id: string; n: number; ms: number },
  random: () => number,
): Promise<Ended> {
  const input = { id, n, ms, stream: random() < 0.5, fail: random() < 0.2 };
  const { fail } = input;
  // A connection for each request, and so a fault for each.
  const options = { idempotencyKey: id, headers: { connection: 'close' } };
  try {
    if (input.stream) {
      const values = await agent.stream(input, options).collect();
      expect(values).toEqual(Array.from({ length: n }, (_, i) => i + 1));
    } else {
      expect((await agent.invoke(input, options)).result).toEqual({ id, sum: (n * (n + 1)) / 2 });
    }
    return { id, fail, outcome: 'success' };
  } catch (error) {
    if (!AgentRuntimeError.isInstance(error)) throw error;
    const outcome: unknown = Reflect.get(error, 'outcome');
    if (outcome === 'failed')
      expect(error).toMatchObject({ message: 'told to fail', errorType: 'RangeError' });
    if (outcome === 'failed' || outcome === 'unknown') return { id, fail, outcome };
    expect(error.retryable).toBe(true);
    return { id, fail, outcome: 'not_run' };
  }
}
