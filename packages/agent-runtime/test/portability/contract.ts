import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Running, Runtime } from './runtime.js';

const resumable = { 'x-stream-protocol': 'resumable-1' };

/**
 * The part of the wire protocol that a runtime can break: the same requests to the built package, served by whatever
 * `start` starts. Left out, with the reason, where this machine has no such runtime.
 */
export function describeContract(
  name: string,
  runtime: Runtime,
  start: (program: string) => Promise<Running>,
): void {
  if ('reason' in runtime) {
    console.warn(`${name} is left out, ${runtime.reason}`);
    describe.skip(`on ${name} (${runtime.reason})`, () => test('the wire protocol', () => {}));
    return;
  }
  describe(`on ${name}`, () => {
    let server: Running;
    beforeAll(async () => {
      server = await start(runtime.program);
    }, 60_000);
    afterAll(() => server?.stop());
    describeBehaviour(name, (path, init) => fetch(`${server.url}${path}`, init));
  });
}

function describeBehaviour(
  name: string,
  send: (path: string, init?: RequestInit) => Promise<Response>,
): void {
  const invoke = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    send('/invocations', { method: 'POST', body: JSON.stringify(body), headers });
  const seen = async (): Promise<Record<'runs' | 'cleanUps' | 'aborts', number> & { reason?: string }> =>
    Object((await json(await invoke({ do: 'seen' }))).result);
  const ping = async (): Promise<Record<string, unknown>> => json(await send('/ping'));

  test('a value comes in the envelope', async () => {
    const response = await invoke({ text: 'äöü ✓', unknown: [1, null] }, { 'x-request-id': 'r1' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('x-request-id')).toBe('r1');
    expect(response.headers.get('x-runtime-instance')).toMatch(/^[\w-]{36}$/);
    expect(await json(response)).toEqual({
      result: { text: 'äöü ✓', unknown: [1, null] },
      status: 'success',
      duration: expect.any(Number),
      metadata: { request_id: 'r1', invocation_id: 'r1' },
    });
  });

  test('an empty body is an empty object', async () => {
    expect(await json(await send('/invocations', { method: 'POST' }))).toMatchObject({ result: {} });
  });

  test('a value JSON cannot hold is written as the wire protocol says', async () => {
    expect(await json(await invoke({ do: 'odd' }))).toMatchObject({
      result: { big: '1', date: '1970-01-01T00:00:00.000Z', map: { a: 1 }, bytes: 'AQ==', nan: null },
    });
  });

  test('a Response of the handler is passed on as it is', async () => {
    const response = await invoke({ do: 'response' });
    expect([response.status, response.headers.get('x-made-by'), await response.text()]).toEqual([
      201,
      'handler',
      'as it is',
    ]);
  });

  test('an error of the handler keeps its status and shows no stack', async () => {
    const response = await invoke({ do: 'fail' });
    expect(response.status).toBe(418);
    const body = await json(response);
    expect(body).toMatchObject({
      result: null,
      status: 'error',
      error: 'out of range',
      error_type: 'RangeError',
    });
    expect(body).not.toHaveProperty('stack');
  });

  test.each([
    ['what is no JSON', '{"a":', 400, /^Invalid JSON/],
    ['what is not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, /^Invalid encoding/],
    ['a body that says that it is too large', 'x'.repeat(70_000), 413, /65536 bytes/],
    ['a body that turns out to be too large', streamOf('x'.repeat(70_000)), 413, /65536 bytes/],
  ])('%s is refused, and the next request is served', async (_, body, status, error) => {
    const request = { method: 'POST', body, duplex: 'half' } as RequestInit;
    const response = await send('/invocations', request);
    expect(response.status).toBe(status);
    expect((await json(response)).error).toMatch(error);
    expect((await invoke({})).status).toBe(200);
  });

  test('an unknown path is a 404, a wrong method a 405 that says which are right', async () => {
    expect((await send('/nowhere')).status).toBe(404);
    const response = await send('/invocations');
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  test('HEAD is answered without a body', async () => {
    const response = await send('/ping', { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  test('a page of an allowed origin may ask, another may not', async () => {
    const preflight = (origin: string): Promise<Response> =>
      send('/invocations', {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-headers': 'idempotency-key' },
      });
    const allowed = await preflight('https://page.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://page.example');
    expect(allowed.headers.get('access-control-allow-headers')).toBe('idempotency-key');
    const other = await preflight('https://other.example');
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('the ping says that it is busy while a handler runs, and since when', async () => {
    await vi.waitFor(async () => expect((await ping()).status).toBe('Healthy'), 15_000);
    const answer = invoke({ do: 'wait' }, { 'idempotency-key': 'pinged' });
    await vi.waitFor(async () => expect((await ping()).status).toBe('HealthyBusy'), 15_000);
    await send('/invocations/pinged', { method: 'DELETE' });
    await answer;
    await vi.waitFor(async () => expect((await ping()).status).toBe('Healthy'), 15_000);
    const { time_of_last_update: since, timestamp } = await ping();
    expect(Math.abs(Number(since) * 1000 - Date.parse(String(timestamp)))).toBeLessThan(5000);
  });

  test('a generator streams plain frames, each under the context of its own request', async () => {
    const ids = ['one', 'two', 'three'];
    const streams = await Promise.all(
      ids.map((id) => invoke({ do: 'count', to: 3 }, { 'x-request-id': id })),
    );
    expect(streams[0]?.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const texts = await Promise.all(streams.map((stream) => stream.text()));
    expect(texts).toEqual(
      ids.map((id) => [1, 2, 3].map((i) => `data: {"i":${i},"requestId":"${id}"}\n\n`).join('')),
    );
  });

  test('a stream that throws ends with an error frame', async () => {
    const frame = 'data: {"error":"broke","error_type":"RangeError"}\n\n';
    expect(await (await invoke({ do: 'break' })).text()).toBe(`data: 1\n\n${frame}`);
    expect(await (await invoke({ do: 'break' }, resumable)).text()).toBe(
      `id: 1\ndata: 1\n\nevent: error\nid: 2\n${frame}`,
    );
  });

  test('a silent stream is kept alive', async () => {
    const text = await (await invoke({ do: 'silence', ms: 1000 })).text();
    expect(text).toMatch(/^data: 1\n\n(: ping\n\n)+data: 2\n\n$/);
  });

  test('frames are sent as they come, not at the end', async () => {
    const reader = (await invoke({ do: 'silence', ms: 60_000 })).body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value)).toBe('data: 1\n\n');
    await reader?.cancel();
  });

  test('a key that is repeated gets the same answer, and the handler runs once', async () => {
    const before = (await seen()).runs;
    const key = { 'idempotency-key': 'again' };
    const first = await (await invoke({ do: 'run' }, key)).text();
    expect(await (await invoke({ do: 'run' }, key)).text()).toBe(first);
    expect((await seen()).runs).toBe(before + 1);
    expect((await invoke({ do: 'run', other: true }, key)).status).toBe(422);
  });

  test('a stream that has ended is resumed after the last event that was seen', async () => {
    const before = (await seen()).runs;
    const headers = { ...resumable, 'idempotency-key': 'resumed', 'x-request-id': 'r' };
    const whole = await (await invoke({ do: 'countOnce', to: 3 }, headers)).text();
    expect(whole).toMatch(
      /id: 3\ndata: {"i":3,"requestId":"r"}\n\nevent: done\nid: 4\ndata: {"status":"success"/,
    );
    const rest = await invoke({ do: 'countOnce', to: 3 }, { ...headers, 'last-event-id': '2' });
    expect(rest.headers.get('x-stream-protocol')).toBe('resumable-1');
    expect(await rest.text()).toBe(whole.slice(whole.indexOf('id: 3')));
    expect((await seen()).runs).toBe(before + 1);
    expect(await json(await send('/invocations/resumed'))).toMatchObject({ state: 'succeeded', events: 4 });
  });

  test('events that are not known are a 410, and another instance a 409: nothing runs', async () => {
    const before = (await seen()).runs;
    expect((await invoke({ do: 'run' }, { 'idempotency-key': 'gone', 'last-event-id': '1' })).status).toBe(
      410,
    );
    expect((await invoke({ do: 'run' }, { 'if-runtime-instance': 'other' })).status).toBe(409);
    expect((await seen()).runs).toBe(before);
  });

  test('a request joins a running one that has its key', async () => {
    const before = (await seen()).runs;
    const headers = { ...resumable, 'idempotency-key': 'joined', 'x-request-id': 'r' };
    const first = await invoke({ do: 'countOnce', to: 20 }, headers);
    const second = await invoke({ do: 'countOnce', to: 20 }, headers);
    expect(await second.text()).toBe(await first.text());
    expect((await seen()).runs).toBe(before + 1);
  });

  test('DELETE ends an invocation: its signal aborts and its caller gets the error', async () => {
    const before = (await seen()).aborts;
    const answer = invoke({ do: 'wait' }, { 'idempotency-key': 'deleted' });
    await vi.waitFor(async () => {
      expect((await send('/invocations/deleted', { method: 'DELETE' })).status).toBe(202);
    }, 15_000);
    expect((await json(await answer)).error_type).toBe('CancelledError');
    await vi.waitFor(async () => expect((await seen()).aborts).toBe(before + 1), 15_000);
  });

  test('a reader that leaves ends the generator, and the agent is idle again', async () => {
    const before = (await seen()).cleanUps;
    const reader = (await invoke({ do: 'count', to: 1e6 })).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await vi.waitFor(async () => expect((await seen()).cleanUps).toBe(before + 1), 15_000);
    await vi.waitFor(async () => expect((await ping()).status).toBe('Healthy'), 15_000);
  });

  // On workerd the signal of a request did not abort within 15 s, also with its flag `enable_request_signal`.
  test.skipIf(name === 'workerd')('a caller that leaves aborts its signal, for an AbortError', async () => {
    const caller = new AbortController();
    const init = { method: 'POST', body: JSON.stringify({ do: 'wait' }), signal: caller.signal };
    const answer = send('/invocations', init).catch(() => {});
    await vi.waitFor(async () => expect((await ping()).status).toBe('HealthyBusy'), 15_000);
    caller.abort();
    await answer;
    await vi.waitFor(async () => expect((await seen()).reason).toBe('AbortError'), 15_000);
  });

  test('a handler may think for longer than a server that waits for ten seconds', async () => {
    expect(await json(await invoke({ do: 'think', ms: 14_000 }))).toMatchObject({ result: 'thought' });
  });
}

async function json(response: Response): Promise<Record<string, unknown>> {
  return Object(await response.json());
}

/** A body of a length that the request does not declare. */
function streamOf(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}
