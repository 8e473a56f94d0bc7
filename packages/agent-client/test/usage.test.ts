import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect, type TestAgent } from './support/agent-server.js';

const used = { tokensUsed: 120, cost: 0.002, processingTimeSeconds: 1.5, queueTimeSeconds: 0.25 };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe.each(['envelope', 'raw'] as const)('what an agent says that it used (%s)', (responseFormat) => {
  async function open(): Promise<TestAgent> {
    const app = new AgentRuntimeApp({ config: { responseFormat }, logger: silent });
    app.entrypoint(async (request: { prompt: string }, context) => {
      context.usage(used);
      if (request.prompt === 'fail') throw new Error('no');
      if (request.prompt === 'text') return new Response('text');
      if (request.prompt !== 'stream') return 'done';
      return (async function* () {
        yield 'a';
        yield 'b';
      })();
    });
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => app.close());
    const origin = `http://127.0.0.1:${port}`;
    const ping = await fetch(`${origin}/ping`);
    return connect(origin, [], { runtimeInstance: ping.headers.get('x-runtime-instance') ?? '' });
  }

  test('reaches the caller of a whole response', async () => {
    const agent = await open();
    expect(await agent.invoke({ prompt: 'whole' })).toMatchObject({ result: 'done', ...used });
    expect(await agent.invoke({ prompt: 'text' })).toMatchObject({ result: 'text', ...used });
  });

  test('reaches the reader of a stream with its end', async () => {
    const agent = await open();
    const stream = agent.stream({ prompt: 'stream' });
    expect(await stream.collect()).toEqual(['a', 'b']);
    expect(await stream.response).toMatchObject(used);
  });

  test('reaches a reader whose agent did not stream', async () => {
    const agent = await open();
    const stream = agent.stream({ prompt: 'whole' });
    expect(await stream.collect()).toEqual(['done']);
    expect(await stream.response).toMatchObject(used);
  });
});
