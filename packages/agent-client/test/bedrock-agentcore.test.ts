// A real AgentCore app of npm: what its server sends is read as what it means.
import type { AddressInfo } from 'node:net';
import { BedrockAgentCoreApp } from 'bedrock-agentcore/runtime';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ping } from '../src/invocation/ping.js';
import { connect, type TestAgent } from './support/agent-server.js';

interface Input {
  prompt: string;
}

async function* stream(prompt: string): AsyncGenerator<unknown> {
  yield 'one\ntwo';
  yield { event: 'message', data: { n: 2 } };
  if (prompt === 'stream and fail') throw new RangeError('too far');
}

const app = new BedrockAgentCoreApp({
  invocationHandler: {
    process: (input: unknown) => {
      const { prompt } = input as Input;
      if (prompt === 'fail') throw new TypeError('told to');
      if (prompt === 'result') return Promise.resolve({ result: 'x', sources: ['a'] });
      return prompt.startsWith('stream') ? stream(prompt) : Promise.resolve({ echoed: prompt });
    },
  },
  config: { logging: { enabled: false } },
});
const server = Reflect.get(app, '_app') as {
  server: { address(): AddressInfo | null };
  close(): Promise<void>;
};
let origin = '';

beforeAll(async () => {
  app.run({ port: 0, host: '127.0.0.1' });
  await vi.waitFor(() => expect(server.server.address()).not.toBeNull(), { timeout: 60_000 });
  origin = `http://127.0.0.1:${server.server.address()?.port}`;
}, 90_000);
afterAll(() => server.close());

const session = { 'x-amzn-bedrock-agentcore-runtime-session-id': 'a-session-of-thirty-three-characters' };
const agent = (): TestAgent => connect(origin, [], {});

describe('an AgentCore app', () => {
  test('answers a ping, and is no runtime of ours', async () => {
    const { target } = agent();
    expect((await ping(target, AbortSignal.timeout(20_000))).status).toBe('Healthy');
    expect(target.runtimeInstance).toBeUndefined();
  });

  test('gives its values, whole', async () => {
    expect((await agent().invoke('hello', { headers: session })).result).toEqual({ echoed: 'hello' });
    expect((await agent().invoke('result', { headers: session })).result).toEqual({
      result: 'x',
      sources: ['a'],
    });
    expect(await agent().stream('hello', { headers: session }).collect()).toEqual([{ echoed: 'hello' }]);
  });

  test('streams texts with line ends, and objects', async () => {
    expect(await agent().stream('stream', { headers: session }).collect()).toEqual(['one\ntwo', { n: 2 }]);
    expect((await agent().invoke('stream', { headers: session })).result).toEqual(['one\ntwo', { n: 2 }]);
  });

  test('that fails in mid-stream has failed', async () => {
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const value of agent().stream('stream and fail', { headers: session })) values.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ outcome: 'failed', message: 'too far' });
    expect(values).toEqual(['one\ntwo', { n: 2 }]);
  });

  test.each([
    ['fails before its first event', { headers: session }, 'fail'],
    ['refuses a call without a session', {}, 'hello'],
  ])('that %s loses its words, which the error says', async (_, options, prompt) => {
    for (const call of [
      () => agent().stream(prompt, options).collect(),
      () => agent().invoke(prompt, options),
    ]) {
      await expect(call()).rejects.toMatchObject({
        name: 'InvocationError',
        outcome: 'failed',
        status: 500,
        message: expect.stringMatching(/gave no reason.*AgentCore app sends an empty 500/),
      });
    }
  });
});
