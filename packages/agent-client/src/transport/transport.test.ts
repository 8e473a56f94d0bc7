import { execFile } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { Agent } from 'undici';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connect, json, resumable, sse, testAgent } from '../../test/support/agent-server.js';
import { FetchTransport } from './fetch-transport.js';
import type { Transport, TransportResponse } from './transport.js';
import { UndiciTransport } from './undici-transport.js';

const options = { maxConnections: 10, keepAliveTimeoutMs: 1_000, connectTimeoutMs: 1_000 };

const transports: [string, () => Transport][] = [
  ['undici', () => new UndiciTransport(Agent, options)],
  ['fetch', () => new FetchTransport()],
];

describe.each(transports)('over %s', (_, create) => {
  test('a call gives its answer, and a stream its values', async () => {
    const agent = await testAgent(
      (request, response) => {
        if (request.body.includes('whole')) return json(response, 200, { result: 1, status: 'success' });
        sse(response, resumable);
        response.write('id: 1\ndata: 1\n\n');
        response.end('event: done\nid: 2\ndata: {"status":"success","duration":1,"metadata":{}}\n\n');
      },
      { transport: create() },
    );
    expect((await agent.invoke('whole')).result).toBe(1);
    expect(await agent.stream('x').collect()).toEqual([1]);
  });

  test('what was not sent is known not to have run', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const agent = connect(`http://127.0.0.1:${port}`, [], { transport: create(), config: { maxRetries: 1 } });
    await expect(agent.invoke('x')).rejects.toMatchObject({ name: 'NetworkError', retryable: true });
  });

  test('what was sent and cut is not', async () => {
    const agent = await testAgent((_, response) => response.destroy(), { transport: create() });
    await expect(agent.invoke('x')).rejects.toMatchObject({ name: 'InvocationError', outcome: 'unknown' });
  });

  test('an answer cut in its middle is not a whole one', async () => {
    const agent = await testAgent(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
        response.write('{"result":1', () => response.destroy());
      },
      { transport: create() },
    );
    await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
  });

  test('each clock has its own code', async () => {
    const agent = await testAgent(
      (request, response) => {
        if (request.body.includes('never')) return;
        sse(response);
        response.write('data: 1\n\n');
      },
      { transport: create() },
    );
    await expect(agent.invoke('never', { firstByteTimeoutMs: 50 })).rejects.toMatchObject({
      code: 'first_byte_timeout',
    });
    await expect(agent.stream('x', { idleTimeoutMs: 50 }).collect()).rejects.toMatchObject({
      code: 'idle_timeout',
    });
    await expect(agent.invoke('never', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'call_timeout' });
  });

  test('the reason of the caller’s signal is what a call fails with, before, while and after it is sent', async () => {
    const agent = await testAgent(
      (_, response) => {
        sse(response);
        response.write('data: 1\n\n');
      },
      { transport: create() },
    );
    const reason = new Error('enough');
    await expect(agent.invoke('x', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const abort = new AbortController();
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const value of agent.stream('x', { signal: abort.signal })) {
        values.push(value);
        abort.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(values).toEqual([1]);
  });

  test('a redirect is not followed, and takes no header along', async () => {
    const agent = await testAgent(
      (request, response) => {
        if (request.path !== '/invocations') return json(response, 200, 'elsewhere');
        response.writeHead(307, { location: '/elsewhere' }).end();
      },
      { transport: create() },
    );
    await expect(agent.invoke('x')).rejects.toMatchObject({ name: 'InvocationError', status: 307 });
    expect(agent.seen).toHaveLength(1);
  });

  test('an exchange that is over leaves nobody listening to its signal', async () => {
    const transport = create();
    const agent = await testAgent((request, response) => {
      if (request.path === '/cut') return response.destroy();
      response.end('whole');
    });
    const { signal } = new AbortController();
    const ask = (path: string): Promise<TransportResponse> =>
      transport.request({
        method: 'GET',
        origin: agent.target.endpoint.origin,
        path,
        headers: {},
        signal,
        firstByteTimeoutMs: 0,
      });
    const { body } = await ask('/read');
    while (await body.read());
    (await ask('/cancelled')).body.cancel();
    await expect(ask('/cut')).rejects.toMatchObject({ name: 'TransportFailure' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await transport.close();
  });

  test('a closed client ends what runs', async () => {
    const transport = create();
    const agent = await testAgent(() => setTimeout(() => transport.close(), 20), { transport });
    await expect(agent.invoke('x')).rejects.toMatchObject({ name: 'InvocationError' });
  });
});

describe('the pool', () => {
  test('has no more connections than it may, keeps them, and drops them with the client', async () => {
    const sockets = new Set<unknown>();
    let closed = 0;
    let most = 0;
    let running = 0;
    const agent = await testAgent(
      (_, response) => {
        const { socket } = response;
        if (socket && !sockets.has(socket)) {
          sockets.add(socket);
          socket.on('close', () => {
            closed += 1;
          });
        }
        running += 1;
        most = Math.max(most, running);
        setTimeout(() => {
          running -= 1;
          json(response, 200, 1);
        }, 10);
      },
      { config: { maxConnections: 3 } },
    );
    await Promise.all(Array.from({ length: 12 }, () => agent.invoke('x')));
    await agent.invoke('x');
    expect(most).toBeLessThanOrEqual(3);
    expect(sockets.size).toBeLessThan(13);
    await agent.target.transport.close();
    await expect.poll(() => closed, { timeout: 20_000 }).toBe(sockets.size);
  });

  test('lets an agent be quiet for as long as it likes', async () => {
    // Undici counts the ticks of a timer of its own, which would reach its default of 300 s here. That timer is not good
    // for much after this test, so no other of this file that needs it comes later.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    let response: ServerResponse | undefined;
    const agent = await testAgent((_, answer) => {
      response = answer;
    });
    const values = agent.stream('x', { timeoutMs: 0 })[Symbol.asyncIterator]();
    const first = values.next();
    while (!response) await new Promise(setImmediate);
    await vi.advanceTimersByTimeAsync(400_000);
    sse(response);
    response.write('data: 1\n\n');
    expect(await first).toEqual({ done: false, value: 1 });
    const second = values.next();
    await vi.advanceTimersByTimeAsync(400_000);
    response.end('data: 2\n\n');
    expect(await second).toEqual({ done: false, value: 2 });
  });
});

describe('a bundle', () => {
  const bundle = async (platform: 'browser' | 'node'): Promise<string> => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('../index.ts', import.meta.url))],
      bundle: true,
      minify: true,
      write: false,
      platform,
      format: 'esm',
      external: ['e2b'],
    });
    return outputFiles[0]?.text ?? '';
  };

  test('for a browser or a worker builds, and has none of Node’s modules in it', async () => {
    expect(await bundle('browser')).not.toMatch(/from\s*"(undici|node:)/);
  });

  test('calls with the platform’s fetch where there is no undici', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await build({
      entryPoints: [fileURLToPath(new URL('create-transport.ts', import.meta.url))],
      outfile: join(folder, 'transport.mjs'),
      bundle: true,
      platform: 'browser',
      format: 'esm',
    });
    const agent = await testAgent((_, response) => response.end('whole'));
    const program = `
      import { createTransport } from './transport.mjs';
      await import('undici').then(() => { throw new Error('undici is here'); }, () => {});
      const transport = createTransport({ maxConnections: 1, keepAliveTimeoutMs: 1, connectTimeoutMs: 1 });
      const { signal } = new AbortController();
      const origin = '${agent.target.endpoint.origin}';
      const response = await transport.request(
        { method: 'GET', origin, path: '/', headers: {}, signal, firstByteTimeoutMs: 0 },
      );
      process.stdout.write(await response.body.read());
      await transport.close();`;
    await writeFile(join(folder, 'program.mjs'), program);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'program.mjs')]);
    expect(stdout).toBe('whole');
  });

  test('stays within its budget beside the E2B SDK', async () => {
    const { brotliCompressSync } = await import('node:zlib');
    expect(brotliCompressSync(await bundle('node')).length).toBeLessThan(52_000);
  });
});
