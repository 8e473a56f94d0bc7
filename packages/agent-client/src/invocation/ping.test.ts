import { describe, expect, test } from 'vitest';
import { connect, json, testAgent } from '../../test/support/agent-server.js';
import { countingAgent } from '../../test/support/counting-agent.js';
import { httpProxy } from '../../test/support/http-proxy.js';
import { ping } from './ping.js';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);

test.each([
  ['PPIO’s', { status: 'Healthy', message: null, timestamp: '2026-01-01T00:00:00Z' }],
  ['one in other words', { status: 'UP', time_of_last_update: '2026-01-01T00:00:00Z' }],
])('%s server’s word counts', async (_, body) => {
  const agent = await testAgent((_request, response) => json(response, 200, body));
  expect((await ping(agent.target, soon())).status).toBe('Healthy');
});

describe('behind a cache that keeps every response to a GET', () => {
  /** A cache before two sandboxes: the first has our runtime, the second a stranger's agent. */
  const cacheBefore = async (ours: string, theirs: string, sendsAge: boolean): Promise<string> => {
    const kept = new Map<string, { status: number; headers: Record<string, string>; body: Buffer }>();
    return httpProxy(
      ({ headers }) => (headers['x-sandbox-id'] === 'ours' ? ours : theirs),
      ({ method, url = '' }, response, pass) => {
        const hit = method === 'GET' ? kept.get(url) : undefined;
        if (hit) {
          const headers = { ...hit.headers, ...(sendsAge && { age: '3' }) };
          return void response.writeHead(hit.status, headers).end(hit.body);
        }
        pass((answer) => {
          const pieces: Buffer[] = [];
          answer.on('data', (piece: Buffer) => pieces.push(piece));
          const { statusCode: status = 0, headers } = answer;
          answer.on('end', () =>
            kept.set(url, { status, headers: headers as never, body: Buffer.concat(pieces) }),
          );
        });
      },
    );
  };

  test('the ping of one sandbox is not believed of another, whose call is sent once', async () => {
    const { port } = await countingAgent();
    const stranger = await testAgent((request, response) =>
      request.method === 'GET' ? json(response, 200, { status: 'ok' }) : response.destroy(),
    );
    const origin = await cacheBefore(`http://127.0.0.1:${port}`, stranger.target.endpoint.origin, false);
    const ours = connect(origin, [], { sandboxId: 'ours' });
    expect((await ping(ours.target, soon())).status).toBe('Healthy');
    expect(ours.target.runtimeInstance).toBeDefined();

    const theirs = connect(origin, [], { sandboxId: 'theirs' });
    await expect(ping(theirs.target, soon())).rejects.toThrow(/cache/);
    expect(theirs.target.runtimeInstance).toBeUndefined();
    await expect(theirs.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
    expect(stranger.seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('the old ping of a stranger’s agent is not believed either', async () => {
    const stranger = await testAgent((_, response) => json(response, 200, { status: 'ok' }));
    const { origin } = stranger.target.endpoint;
    const cache = await cacheBefore(origin, origin, true);
    const theirs = connect(cache, [], { sandboxId: 'theirs' });
    expect((await ping(theirs.target, soon())).status).toBe('Healthy');
    await expect(ping(theirs.target, soon())).rejects.toThrow(/cache/);
  });
});
