import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, post } from '../../test/each-server.js';
import { eventually } from '../../test/eventually.js';

afterEach(() => {
  vi.useRealTimers();
});

describe('a response that is made in memory', () => {
  test('has a timer from its first read on, and none after it', async () => {
    const app = agent(
      async function* () {
        yield 1;
        await new Promise(() => {});
      },
      { timeoutMs: 0, resumeGraceMs: 0, enableMetrics: false, shutdownGraceMs: 0 },
    );
    await app.fetch(new Request('http://agent/ping'));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const response = await app.fetch(new Request('http://agent/invocations', post({})));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(vi.getTimerCount()).toBe(0);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe('data: 1\n\n');
    const next = reader?.read();
    await vi.advanceTimersByTimeAsync(17_000);
    expect((await next)?.value).toBe(': ping\n\n');
    await reader?.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('waits for a reader that is behind, by its buffer and no more', async () => {
    let made = 0;
    const app = agent(
      function* () {
        for (;;) {
          made++;
          yield 'x'.repeat(100);
        }
      },
      { streamBufferBytes: 4096 },
    );
    onTestFinished(() => app.close());
    const left = new AbortController();
    const request = new Request('http://agent/invocations', { ...post({}), signal: left.signal });
    const response = await app.fetch(request);
    await eventually(() => expect(made).toBeGreaterThan(30));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(made).toBeLessThan(60);
    const reader = response.body?.getReader();
    let bytes = 0;
    while (bytes < 50_000) bytes += (await reader?.read())?.value?.length ?? Number.NaN;
    await reader?.cancel();
  });
});

eachServer('HEAD of the events gives their headers, and waits for nothing', async (serve) => {
  let aborted = false;
  const send = await serve(
    agent(
      async function* (_request, { signal }) {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        yield 1;
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      },
      { resumeGraceMs: 100 },
    ),
  );
  const headers = { 'idempotency-key': 'k', 'x-stream-protocol': 'resumable-1' };
  const first = await send('/invocations', { ...post({}, headers) });
  const head = await send('/invocations/k/events', { method: 'HEAD' });
  expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
    '',
  ]);
  expect((await send('/invocations/no/events', { method: 'HEAD' })).status).toBe(404);
  await first.body?.cancel();
  await eventually(() => expect(aborted).toBe(true));
});
