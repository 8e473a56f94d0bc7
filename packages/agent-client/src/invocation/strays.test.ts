import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { json, resumable, type SeenRequest, sse, testAgent } from '../../test/support/agent-server.js';
import { ping } from './ping.js';

const instance = { 'x-runtime-instance': 'one' };
const html = '<!doctype html><html><head><title>Welcome</title></head><body>proxy</body></html>';
const done = 'event: done\nid: 2\ndata: {"status":"success","duration":1,"metadata":{}}\n\n';

type Answer = (response: ServerResponse) => void;
const page = (status: number, type = 'text/html', body = html): Answer => {
  return (response) => response.writeHead(status, { 'content-type': type }).end(body);
};

/** What is not the agent's, once the agent is known. */
const strays: [string, Answer][] = [
  ['an HTML page of status 200', page(200)],
  ['an empty 200', (response) => response.writeHead(200).end()],
  ['a 204', (response) => response.writeHead(204).end()],
  ['a 404', page(404)],
  ['a 500', page(500)],
  ['a 301', page(301)],
  ['a 504', page(504)],
  ['an envelope without a name', (response) => json(response, 200, { result: 'no', status: 'success' })],
  ['an error without a name', (response) => json(response, 500, { error: 'no', error_type: 'E' })],
  ['events without a name', page(200, 'text/event-stream', 'data: "no"\n\n')],
  [
    'another call’s response',
    (response) =>
      json(response, 200, { result: 'no', status: 'success' }, { ...instance, 'x-invocation-id': 'another' }),
  ],
  [
    'another call’s failure',
    (response) =>
      json(response, 500, { error: 'no', error_type: 'E' }, { ...instance, 'x-invocation-id': 'another' }),
  ],
];

describe.each(strays)('%s in the place of a known agent’s response', (_, stray) => {
  test('is not believed: the call is joined again', async () => {
    const agent = await testAgent(
      (_request, response, attempt) =>
        attempt === 1 ? stray(response) : json(response, 200, { result: 'yes', status: 'success' }, instance),
      { runtimeInstance: 'one' },
    );
    expect((await agent.invoke('x')).result).toBe('yes');
  });

  test('is neither success nor failure of the call when nothing else comes, and no markup is in the message', async () => {
    const agent = await testAgent((_request, response) => stray(response), {
      runtimeInstance: 'one',
      hasEvents: true,
    });
    for (const call of [agent.invoke('x'), agent.stream('x').collect()]) {
      const error = await call.catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'InvocationError', outcome: 'unknown', retryable: false });
      expect(String(error)).not.toMatch(/<|Welcome/);
    }
  });

  test('does not end a stream that has begun', async () => {
    let requests = 0;
    const agent = await testAgent(
      (_request, response) => {
        requests += 1;
        if (requests === 2) return stray(response);
        sse(response, resumable);
        if (requests === 1) return response.write('id: 1\ndata: 1\n\n', () => response.destroy());
        return response.end(done);
      },
      { runtimeInstance: 'one', hasEvents: true },
    );
    expect(await agent.stream('x').collect()).toEqual([1]);
  });

  test('does not cancel: the request is sent again', async () => {
    const left = new AbortController();
    const deletes = { count: 0 };
    const agent = await testAgent(
      (request: SeenRequest, response) => {
        if (request.method !== 'DELETE') return left.abort();
        deletes.count += 1;
        if (deletes.count === 1) stray(response);
        else json(response, 202, {}, instance);
      },
      { runtimeInstance: 'one' },
    );
    await expect(agent.invoke('x', { signal: left.signal })).rejects.toMatchObject({ name: 'AbortError' });
    await expect.poll(() => deletes.count, { timeout: 20_000 }).toBe(2);
  });

  test('is no ping', async () => {
    const agent = await testAgent((_request, response) => stray(response), { runtimeInstance: 'one' });
    const asking = ping(agent.target, AbortSignal.timeout(20_000));
    await expect(asking).rejects.toThrow(/is not the agent's/);
    expect(agent.target.runtimeInstance).toBe('one');
  });
});

describe('an agent that is not known', () => {
  test.each([200, 204])(
    'is not believed to have answered an empty %i without a content type',
    async (status) => {
      const agent = await testAgent((_, response) => response.writeHead(status).end());
      for (const call of [agent.invoke('x'), agent.stream('x').collect()]) {
        await expect(call).rejects.toMatchObject({ name: 'InvocationError', outcome: 'unknown' });
      }
    },
  );

  test('is not met by another call’s response', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 200, { result: 'no', status: 'success' }, { ...instance, 'x-invocation-id': 'another' }),
    );
    await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
    expect(agent.target.runtimeInstance).toBeUndefined();
    expect(agent.seen).toHaveLength(1);
  });
});

test('a call whose response is not kept any more is unknown, and says so', async () => {
  const agent = await testAgent(
    (_, response, attempt) =>
      attempt === 1
        ? response.destroy()
        : json(response, 410, { error: 'gone', error_type: 'invocation_expired' }, instance),
    { runtimeInstance: 'one' },
  );
  await expect(agent.invoke('x', { idempotencyKey: 'k' })).rejects.toMatchObject({
    name: 'InvocationError',
    outcome: 'unknown',
    errorType: 'invocation_expired',
    status: 410,
    message: expect.stringMatching(/not known how invocation k ended.*does not run it again/),
  });
});

test('a success of another process than the one that may have run the call is not believed', async () => {
  const agent = await testAgent(
    (_, response, attempt) =>
      attempt === 1 ? response.destroy() : json(response, 200, 'ran again', { 'x-runtime-instance': 'two' }),
    { runtimeInstance: 'one' },
  );
  await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
});
