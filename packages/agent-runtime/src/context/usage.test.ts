import { describe, expect, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { toWireUsage } from './usage.js';

const given = { tokensUsed: 120, cost: 0.002, processingTimeSeconds: 1.5, queueTimeSeconds: 0 };
const wire = { tokens_used: 120, cost: 0.002, processing_time: 1.5, queue_time: 0 };

describe('what a handler says that it used', () => {
  eachServer('is in the envelope, of a failure too; what is said last counts', async (serve) => {
    const send = await serve(
      agent((request, context) => {
        context.usage({ tokensUsed: 1 });
        context.usage(given);
        if (request === 'fail') throw new Error('no');
        return 'done';
      }),
    );
    expect(await json(await send('/invocations', post({})))).toMatchObject({ result: 'done', ...wire });
    expect(await json(await send('/invocations', post('fail')))).toMatchObject({ error: 'no', ...wire });
  });

  eachServer('is in a header where the body is the bare value, or a Response', async (serve) => {
    const send = await serve(
      agent(
        (request, context) => {
          context.usage(given);
          return request === 'text' ? new Response('text') : 'done';
        },
        { responseFormat: 'raw' },
      ),
    );
    for (const [request, body] of [
      ['value', '"done"'],
      ['text', 'text'],
    ]) {
      const response = await send('/invocations', post(request));
      expect(JSON.parse(response.headers.get('x-agent-usage') ?? '')).toEqual(wire);
      expect(await response.text()).toBe(body);
    }
  });

  for (const responseFormat of ['envelope', 'raw'] as const) {
    eachServer(`is in the last frame of a resumable stream, ${responseFormat}`, async (serve) => {
      const send = await serve(
        agent(
          async function* (_request, context) {
            yield 1;
            context.usage(given);
          },
          { responseFormat },
        ),
      );
      const headers = { 'x-stream-protocol': 'resumable-1', 'idempotency-key': 'k' };
      const text = await (await send('/invocations', post({}, headers))).text();
      const done = JSON.parse(/event: done\nid: 2\ndata: (.*)\n\n$/.exec(text)?.[1] ?? '');
      expect(done).toMatchObject({ status: 'success', ...wire });
    });
  }

  eachServer('is nowhere when it says nothing', async (serve) => {
    const send = await serve(agent(() => 1));
    const response = await send('/invocations', post({}));
    expect(response.headers.get('x-agent-usage')).toBeNull();
    expect(Object.keys(await json(response))).toEqual(['result', 'status', 'duration', 'metadata']);
  });

  test.each([
    { tokens: 1 },
    { cost: Number.NaN },
    { cost: -1 },
    { tokensUsed: '1' },
    { queueTimeSeconds: null },
    { queueTime: 1 },
  ])('is refused when it is none: %j', (usage) => {
    expect(() => toWireUsage(usage as object)).toThrow(TypeError);
  });
});
