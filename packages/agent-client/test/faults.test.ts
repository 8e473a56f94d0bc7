import { AgentRuntimeError } from '@sandpiper/protocol';
import { describe, expect, test } from 'vitest';
import { connect, type TestAgent } from './support/agent-server.js';
import { countingAgent } from './support/counting-agent.js';
import { type Fault, type FaultyProxy, faultyProxy } from './support/faulty-proxy.js';
import { seeded } from './support/seeded.js';

/** A caller that has pinged its agent, and so knows that it honours keys. */
async function acquainted(
  proxy: FaultyProxy,
  options: Parameters<typeof connect>[2] = {},
): Promise<TestAgent> {
  const direct = await fetch(`http://127.0.0.1:${proxy.upstreamPort}/ping`);
  const runtimeInstance = direct.headers.get('x-runtime-instance') ?? '';
  expect(runtimeInstance).not.toBe('');
  return connect(proxy.origin, [], { runtimeInstance, ...options });
}

/** How many bytes an undisturbed answer has. */
async function answerLength(body: object, headers: Record<string, string> = {}): Promise<number> {
  let length = 0;
  const { port } = await countingAgent();
  const { request } = await import('node:http');
  await new Promise<void>((resolve) => {
    const sent = request({ port, path: '/invocations', method: 'POST', headers }, (response) => {
      response.resume().on('end', resolve);
    });
    sent.on('socket', (socket) => socket.on('data', (chunk: Buffer) => (length += chunk.length)));
    sent.end(JSON.stringify(body));
  });
  return length;
}

const keyed = {
  'x-stream-protocol': 'resumable-1',
  'idempotency-key': 'k',
  'content-type': 'application/json',
};

describe('an answer cut at every byte', () => {
  test('is whole in the end, and the agent ran it once', async () => {
    const body = { id: 'x', n: 4, ms: 0 };
    const length = (await answerLength(body, keyed)) + 200;
    const { port, executions } = await countingAgent();
    let fault: Fault = { kind: 'none' };
    const proxy = await faultyProxy(port, () => {
      const now = fault;
      fault = { kind: 'none' };
      return now;
    });
    const agent = await acquainted(proxy);
    let retried = 0;
    for (let afterBytes = 0; afterBytes < length; afterBytes += 1) {
      fault = { kind: 'cut', afterBytes, reset: afterBytes % 2 === 0 };
      const id = `at-${afterBytes}`;
      const caller = connect(proxy.origin, [], { runtimeInstance: agent.target.runtimeInstance ?? '' });
      const answer = await caller.invoke({ ...body, id });
      expect(answer.result).toEqual({ id, sum: 10 });
      expect(executions.get(id)).toBe(1);
      retried += answer.attempts - 1;
      await caller.target.transport.close();
    }
    // All but the longest, which cut after the end.
    expect(retried).toBeGreaterThan(length - 300);
  }, 300_000);

  test('that is a stream gives each value once and in order, and the agent ran it once', async () => {
    const body = { id: 'x', n: 12, ms: 0, stream: true };
    const length = (await answerLength(body, keyed)) + 50;
    const { port, executions } = await countingAgent();
    let fault: Fault = { kind: 'none' };
    const proxy = await faultyProxy(port, () => {
      const now = fault;
      fault = { kind: 'none' };
      return now;
    });
    const agent = await acquainted(proxy);
    for (let afterBytes = 0; afterBytes < length; afterBytes += 1) {
      fault = { kind: 'cut', afterBytes, reset: afterBytes % 2 === 0 };
      const id = `at-${afterBytes}`;
      const caller = connect(proxy.origin, [], { runtimeInstance: agent.target.runtimeInstance ?? '' });
      const stream = caller.stream({ ...body, id });
      expect(await stream.collect()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect((await stream.response).status).toBe('success');
      expect(executions.get(id)).toBe(1);
      await caller.target.transport.close();
    }
  }, 300_000);
});

test('of 500 faulty invocations none runs twice, every success is complete and every failure typed', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const first = await countingAgent();
  const second = await countingAgent(first.executions);
  const nextFault = (): Fault => {
    const one = random();
    if (one < 0.35) return { kind: 'cut', afterBytes: pick(900), reset: random() < 0.5 };
    if (one < 0.42) return { kind: 'lost', status: [502, 503, 504, 408][pick(4)] ?? 502 };
    if (one < 0.48) return { kind: 'swallowed' };
    if (one < 0.52) return { kind: 'refused' };
    if (one < 0.6) return { kind: 'pieces', size: 1 + pick(20) };
    return { kind: 'none' };
  };
  const proxy = await faultyProxy(first.port, nextFault);
  const config = { retryDelayMs: 2, maxRetries: 3 };
  const knowing = await acquainted(proxy, { config, timeoutMs: 20_000 });
  const stranger = connect(proxy.origin, [], { config, timeoutMs: 20_000 });
  const outcomes = { success: 0, failed: 0, unknown: 0 };

  const invokeOne = async (index: number): Promise<void> => {
    // Every hundred the agent is another process, as after a restart.
    if (index % 100 === 99) proxy.upstreamPort = proxy.upstreamPort === first.port ? second.port : first.port;
    const id = `i-${index}`;
    const n = 1 + pick(20);
    const stream = random() < 0.5;
    // A caller that knows nothing of its agent, as often as not, has to give up earlier.
    if (index % 7 === 0) stranger.target.runtimeInstance = undefined;
    const agent = index % 7 === 0 ? stranger : knowing;
    const input = { id, n, ms: pick(4), stream };
    // A connection for each request, and so a fault for each.
    const headers = { connection: 'close' };
    try {
      if (stream) {
        const values = await agent.stream(input, { headers }).collect();
        expect(values).toEqual(Array.from({ length: n }, (_, i) => i + 1));
      } else {
        expect((await agent.invoke(input, { headers })).result).toEqual({ id, sum: (n * (n + 1)) / 2 });
      }
      outcomes.success += 1;
      expect(first.executions.get(id)).toBe(1);
    } catch (error) {
      if (!AgentRuntimeError.isInstance(error)) throw error;
      const outcome: unknown = Reflect.get(error, 'outcome');
      expect(['InvocationError', 'StreamInterruptedError', 'NetworkError', 'TimeoutError']).toContain(
        error.name,
      );
      if (outcome === 'unknown') outcomes.unknown += 1;
      else outcomes.failed += 1;
      if (error.retryable) expect(first.executions.get(id) ?? 0).toBe(0);
    }
  };
  const waiting = Array.from({ length: 500 }, (_, index) => index);
  const worker = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await invokeOne(index);
  };
  await Promise.all(Array.from({ length: 8 }, worker));

  expect([...first.executions.values()].filter((times) => times > 1)).toEqual([]);
  expect(outcomes.success + outcomes.failed + outcomes.unknown).toBe(500);
  expect(outcomes.success).toBeGreaterThan(300);
  expect(outcomes.unknown).toBeGreaterThan(0);
  console.log(outcomes);
}, 300_000);
