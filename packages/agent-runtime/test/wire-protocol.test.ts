import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RuntimeConfig } from '../src/config.js';
import { agent } from './agent.js';
import { post, type Send } from './each-server.js';

const page = await readFile(
  fileURLToPath(new URL('../../../docs/wire-protocol.md', import.meta.url)),
  'utf8',
);

/** The agent that the page's examples were taken from. */
async function serve(config: RuntimeConfig = {}): Promise<Send> {
  const app = agent((request, context) => {
    const { slow, fail, city, cut } = request as Record<string, unknown>;
    if (slow) return sleep(Number(slow), 'late', { signal: context.signal });
    if (fail) throw new RangeError('no such city');
    if (city) {
      context.usage({ tokensUsed: 12 });
      return { city };
    }
    return (function* () {
      yield 'to';
      yield { word: 'be' };
      if (cut) throw new RangeError('half way');
    })();
  }, config);
  onTestFinished(() => app.close());
  const { port } = await app.run({ port: 0, host: '127.0.0.1' });
  return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init);
}

/** Leaves out what differs from run to run, and the words of JSON.parse, which differ between versions of Node. */
function blank(text: string): string {
  return text
    .replace(/"(request_id|timestamp|duration|time_of_last_update)":("[^"]*"|[\d.]+)/g, '"$1":0')
    .replace(/"invocation_id":"[\da-f-]{8,}"/g, '"invocation_id":0')
    .replace(/Invalid JSON: .*?",/, 'Invalid JSON",');
}

/** Fails unless the page has this response, its status line where it has one and its body. */
async function isOnThePage(response: Response, statusLine = ''): Promise<void> {
  const body = blank(await response.text());
  const shown = blank(page.replaceAll(/^< (?=[{])/gm, ''));
  expect(shown).toContain(statusLine ? `${statusLine}\n${body}` : body);
  if (statusLine) expect(statusLine).toContain(` ${response.status} `);
}

const resumable = { 'x-stream-protocol': 'resumable-1' };
const keyed = (key: string): Record<string, string> => ({ ...resumable, 'idempotency-key': key });

describe('docs/wire-protocol.md shows what is sent', () => {
  test('for a value, in both formats', async () => {
    await isOnThePage(await (await serve())('/invocations', post({ city: 'Oslo' })));
    const raw = await (await serve({ responseFormat: 'raw' }))('/invocations', post({ city: 'Oslo' }));
    expect(page).toContain(`< x-agent-usage: ${raw.headers.get('x-agent-usage')}`);
    await isOnThePage(raw);
  });

  test('for an error, in both formats', async () => {
    const status = '< HTTP/1.1 500 Internal Server Error';
    await isOnThePage(await (await serve())('/invocations', post({ fail: 1 })), status);
    await isOnThePage(
      await (await serve({ responseFormat: 'raw' }))('/invocations', post({ fail: 1 })),
      status,
    );
  });

  test('for a stream of plain frames', async () => {
    const response = await (await serve())('/invocations', post({ cut: 1 }));
    for (const name of ['content-type', 'cache-control', 'x-accel-buffering'])
      expect(page).toContain(`< ${name}: ${response.headers.get(name)}`);
    await isOnThePage(response);
  });

  test('for a stream of resumable frames, its failure, and the events of one value', async () => {
    const send = await serve({ heartbeatMs: 1000 });
    await isOnThePage(await send('/invocations', post({ prompt: 'x' }, keyed('k1'))));
    const failed = await send('/invocations', post({ cut: 1 }, { ...keyed('k2') }));
    const [, , last] = (await failed.text()).split('\n\n');
    expect(page).toContain(`${last}\n\n`);
    const slow = send('/invocations', post({ slow: 2500 }, { 'idempotency-key': 'k4' }));
    await expect.poll(async () => (await send('/invocations/k4')).status).toBe(200);
    await isOnThePage(await send('/invocations/k4'));
    await isOnThePage(await send('/invocations/k4/events'));
    await slow;
  });

  test('for refusals, states and a cancellation', async () => {
    const send = await serve();
    await send('/invocations', post({ prompt: 'x' }, { 'idempotency-key': 'k1' }));
    const reused = send('/invocations', post({ prompt: 'other' }, { 'idempotency-key': 'k1' }));
    await isOnThePage(await reused, '< HTTP/1.1 422 Unprocessable Entity');
    const restarted = post({}, { 'idempotency-key': 'k9', 'if-runtime-instance': 'other' });
    await isOnThePage(await send('/invocations', restarted), '< HTTP/1.1 409 Conflict');
    const noJson = send('/invocations', { method: 'POST', body: '{nope' });
    await isOnThePage(await noJson, '< HTTP/1.1 400 Bad Request');
    await send('/invocations', post({ city: 'Oslo' }, { 'idempotency-key': 'k3' }));
    await isOnThePage(await send('/invocations/k3'));
    const slow = send('/invocations', post({ slow: 60_000 }, { 'idempotency-key': 'k5' }));
    await expect.poll(async () => (await send('/invocations/k5')).status).toBe(200);
    await isOnThePage(await send('/ping'));
    await isOnThePage(await send('/invocations/k5', { method: 'DELETE' }));
    expect((await slow).status).toBe(499);
  });
});
