import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { eventually } from '../../test/eventually.js';
import type { RequestContext } from '../context/request-context.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** On a connection of its own: one that stays open keeps the context of what was last done on it. */
async function ask(port: number, method: string, path: string, headers = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', method, path, headers, agent: false }, (answer) => {
      text(answer).then(resolve, reject);
    })
      .on('error', reject)
      .end();
  });
}

async function* stream(): AsyncGenerator<number> {
  yield 1;
}

describe('what is remembered of an invocation that has ended', () => {
  test.each([
    ['a value', () => 'value'],
    ['a promise', async () => 'value'],
    ['a stream', stream],
    ['a body', () => new Response('text')],
  ])('is its answer, and not the request behind it: %s', async (_, answer) => {
    let context: WeakRef<RequestContext> | undefined;
    const app = agent((_, given) => {
      context = new WeakRef(given);
      return answer();
    });
    onTestFinished(() => app.close());
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    const headers = { 'idempotency-key': 'k', 'x-stream-protocol': 'resumable-1' };
    await ask(port, 'POST', '/invocations', headers);
    await eventually(() => {
      collectGarbage();
      expect(context?.deref()).toBeUndefined();
    });
    expect(await ask(port, 'GET', '/invocations/k')).toContain('"succeeded"');
  });
});
