import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { spawnProgram } from '../../test/spawn-program.js';
import { PortableApp } from '../app.js';
import type { Platform } from '../platform.js';
import { exitOnSignals } from './exit-on-signals.js';
import { listen } from './listen.js';
import { prometheusMetrics } from './prometheus.js';

const headMs = 300;
/** Longer than a head may take, with the time until it is looked. */
const longMs = 1_500;

const platform: Platform = {
  listen: (options) => listen({ ...options, headMs }),
  exitOnSignals,
  createMetrics: prometheusMetrics,
};

/** An agent that waits for a request's head for less than a second. */
async function start(prepare: (app: PortableApp) => void): Promise<number> {
  const app = new PortableApp({ config: { shutdownGraceMs: 0 } }, platform);
  prepare(app);
  onTestFinished(() => app.close());
  const { port } = await app.run({ port: 0, host: '127.0.0.1' });
  return port;
}

function open(port: number): { socket: Socket; said: () => string } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let said = '';
  socket.on('data', (data) => {
    said += String(data);
  });
  return { socket, said: () => said };
}

test.each([
  ['nothing', []],
  ['half a head', ['POST /invocations HTTP/1.1\r\nhost: a\r\n']],
  ['a head that never ends, one field after the other', Array(200).fill('x-more: y\r\n')],
])('a connection that says %s is closed, whatever its other end does', async (_what, pieces) => {
  const port = await start((app) => app.entrypoint(() => 'x'));
  const { socket, said } = open(port);
  let isOver = false;
  socket.once('end', () => {
    isOver = true;
  });
  if (pieces.length > 1) socket.write('GET /ping HTTP/1.1\r\nhost: a\r\n');
  const begun = performance.now();
  for (const piece of pieces) {
    if (isOver) break;
    socket.write(piece);
    await sleep(50);
  }
  if (!isOver) await once(socket, 'end');
  expect(performance.now() - begun).toBeLessThan(5_000);
  expect(said()).toMatch(/^(HTTP\/1\.1 408 |$)/);
  // This end stays open; a descriptor of the agent's must not: what is sent there now is refused.
  await expect
    .poll(
      () => {
        socket.write('more');
        return socket.destroyed;
      },
      { timeout: 5_000 },
    )
    .toBe(true);
});

test('a stream, an upload and a WebSocket take as long as they like', async () => {
  const port = await start((app) => {
    app.entrypoint(async function* (request: { text: string }) {
      yield request.text;
      for (let value = 0; value < 3; value++) {
        await sleep(longMs / 3);
        yield value;
      }
    });
    app.websocket(async (socket) => {
      for await (const message of socket) await socket.send(message);
    });
  });
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  onTestFinished(() => webSocket.terminate());
  await once(webSocket, 'open');
  const { socket, said } = open(port);
  const body = JSON.stringify({ text: 'y'.repeat(20) });
  socket.write(`POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`);
  for (const letter of body) {
    socket.write(letter);
    await sleep(longMs / body.length);
  }
  await expect.poll(said, { timeout: 10_000 }).toMatch(/\r\n0\r\n\r\n$/);
  expect(said()).toMatch(/^HTTP\/1\.1 200 /);
  expect(said()).toContain('data: 2');
  webSocket.send('still here');
  expect(String((await once(webSocket, 'message'))[0])).toBe('still here');
});

test.skipIf(process.platform === 'win32')(
  'an agent that has no descriptors left lives, and answers again when silent connections are closed',
  async () => {
    const { child, lines } = await spawnProgram('quick-agent', {}, 64);
    const port = Number(lines[0]);
    // Each on a connection of its own.
    const ask = async (): Promise<number | undefined> => {
      const asked = request({ port, host: '127.0.0.1', method: 'POST', path: '/invocations', agent: false });
      asked.end('{}');
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await ask()).toBe(200);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 100; n++) open(port);
      await sleep(200);
      expect(child.exitCode).toBe(null);
    }
    await expect(ask()).rejects.toThrow();
    await expect.poll(() => ask().catch(() => 0), { timeout: 60_000, interval: 500 }).toBe(200);
    expect(child.exitCode).toBe(null);
    expect(child.signalCode).toBe(null);
  },
  90_000,
);
