import * as zlib from 'node:zlib';
import { Agent } from 'undici';
import { describe, expect, test } from 'vitest';
import { json, resumable, sse, testAgent } from '../../test/support/agent-server.js';
import { ping } from '../invocation/ping.js';
import { FetchTransport } from './fetch-transport.js';
import type { Transport } from './transport.js';
import { UndiciTransport } from './undici-transport.js';

const { brotliCompressSync, createGzip, deflateRawSync, deflateSync, gzipSync } = zlib;
const options = { maxConnections: 10, keepAliveTimeoutMs: 1_000, connectTimeoutMs: 1_000 };
const transports: [string, () => Transport][] = [
  ['undici', () => new UndiciTransport(Agent, options)],
  ['fetch', () => new FetchTransport()],
];
const codings: [string, (text: string) => Buffer][] = [
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
];
/** From Node 22.15 and 23.8 on. */
const zstdCompressSync = Reflect.get(zlib, 'zstdCompressSync') as ((text: string) => Buffer) | undefined;

describe.each(transports)('over %s', (transport, create) => {
  test('nothing is asked to be compressed', async () => {
    const agent = await testAgent((_request, response) => json(response, 200, { status: 'ok' }), {
      transport: create(),
    });
    await agent.invoke('x');
    await ping(agent.target, AbortSignal.timeout(20_000));
    expect(agent.seen.map(({ headers }) => headers['accept-encoding'])).toEqual(['identity', 'identity']);
  });

  // `fetch` undoes what it knows by itself, and that is not zstd.
  const ofNode = zstdCompressSync && transport === 'undici' ? [['zstd', zstdCompressSync] as const] : [];
  test.each([...codings, ...ofNode])(
    'what is %s all the same is read: events, texts, JSON, errors and pings',
    async (coding, compress) => {
      const bodies: Record<string, [number, string, string]> = {
        events: [200, 'text/event-stream', 'data: "é"\n\ndata: 2\n\n'],
        text: [200, 'text/plain', 'é'],
        json: [200, 'application/json', '{"n":1}'],
        error: [500, 'application/json', '{"error":"no key","error_type":"E"}'],
        empty: [200, 'application/json', ''],
      };
      const agent = await testAgent(
        (request, response) => {
          const name = request.path === '/ping' ? '' : JSON.parse(request.body).prompt;
          const [status, type, body] = bodies[name] ?? [200, 'application/json', '{"status":"ok"}'];
          response.writeHead(status, { 'content-type': type, 'content-encoding': coding });
          if (body === '') return void response.end();
          // In pieces, as it comes.
          for (const byte of compress(body)) response.write(Buffer.of(byte));
          response.end();
        },
        { transport: create() },
      );
      expect(await agent.stream('events').collect()).toEqual(['é', 2]);
      expect((await agent.invoke('text')).result).toBe('é');
      expect((await agent.invoke('json')).result).toEqual({ n: 1 });
      expect((await agent.invoke('empty')).result).toBeUndefined();
      await expect(agent.invoke('error')).rejects.toMatchObject({ message: 'no key', errorType: 'E' });
      expect((await ping(agent.target, AbortSignal.timeout(20_000))).status).toBe('Healthy');
    },
  );

  test('an event that is compressed comes when it is sent', async () => {
    let finish: () => void = () => {};
    const agent = await testAgent(
      (_request, response) => {
        sse(response, { 'content-encoding': 'gzip' });
        const gzip = createGzip();
        gzip.pipe(response);
        gzip.write('data: 1\n\n');
        gzip.flush();
        finish = () => gzip.end('data: 2\n\n');
      },
      { transport: create() },
    );
    const values = agent.stream('x')[Symbol.asyncIterator]();
    expect((await values.next()).value).toBe(1);
    finish();
    expect((await values.next()).value).toBe(2);
    expect((await values.next()).done).toBe(true);
  });

  test('what cannot be undone is an error that names it, and not success', async () => {
    const agent = await testAgent(
      (_request, response) => {
        sse(response, { 'content-encoding': 'compress' });
        response.end('data: 1\n\n');
      },
      { transport: create() },
    );
    await expect(agent.stream('x').collect()).rejects.toMatchObject({
      name: 'InvocationError',
      outcome: 'unknown',
      message: expect.stringContaining('compressed with compress'),
    });
  });
});

// `fetch` takes what was cut for whole: on Node it undoes as much as there is.
test('what is compressed and cut is not whole', async () => {
  const agent = await testAgent((_request, response) => {
    sse(response, { 'content-encoding': 'gzip' });
    response.end(gzipSync('data: 1\n\ndata: 2\n\n').subarray(0, -8));
  });
  await expect(agent.stream('x').collect()).rejects.toMatchObject({ outcome: 'unknown' });
});

test('a little that is compressed is not held as the much that it is', async () => {
  const whole = 200_000_000;
  const bomb = gzipSync(Buffer.alloc(whole));
  const agent = await testAgent(
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb);
    },
    { config: { maxResponseBytes: 1_000_000 } },
  );
  const before = process.memoryUsage.rss();
  await expect(agent.invoke('x')).rejects.toThrow(/maxResponseBytes/);
  expect(process.memoryUsage.rss() - before).toBeLessThan(whole / 2);
});

test('a resumable stream that is compressed is taken up where it was cut', async () => {
  const agent = await testAgent((request, response) => {
    sse(response, { ...resumable, 'content-encoding': 'gzip' });
    const gzip = createGzip();
    gzip.pipe(response);
    if (request.headers['last-event-id'] === undefined) {
      gzip.write('id: 1\ndata: 1\n\n');
      return gzip.flush(() => setTimeout(() => response.destroy(), 20));
    }
    return gzip.end('event: done\nid: 2\ndata: {"status":"success","duration":1,"metadata":{}}\n\n');
  });
  expect(await agent.stream('x').collect()).toEqual([1]);
});

test.skipIf(!zstdCompressSync)('zstd, which fetch does not undo, is an error that names it', async () => {
  const agent = await testAgent(
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'zstd' });
      response.end(zstdCompressSync?.('1'));
    },
    { transport: new FetchTransport() },
  );
  await expect(agent.invoke('x')).rejects.toThrow(/compressed with zstd/);
});
