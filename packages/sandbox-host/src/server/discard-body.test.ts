import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DiscardLimits, discardBody } from './discard-body.js';

let current: DiscardLimits;
const server = createServer((request, response) => {
  response.once('finish', () => discardBody(request, current));
  response.end('no');
});
let port = 0;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => void server.close());

/** Begins an upload that says to be of a length. @returns the connection, and what came back as it grows. */
async function begin(length: number): Promise<{ socket: Socket; answer: () => string }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`);
  return { socket, answer: () => text };
}

test('the rest of a body is discarded, and the connection stays open', async () => {
  current = { bytes: 1024 * 1024, ms: 5_000 };
  const { socket, answer } = await begin(10);
  await expect.poll(answer).toMatch(/no$/);
  await sleep(300);
  socket.write('0123456789GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await expect.poll(answer).toMatch(/no.*HTTP\/1\.1 200.*no$/s);
  await sleep(600);
  expect(socket.destroyed).toBe(false);
  socket.destroy();
});

test.each([
  ['sends too much', { bytes: 100_000, ms: 60_000 }],
  ['takes too long', { bytes: 1e9, ms: 400 }],
])('a caller who %s is cut', async (_what, limits) => {
  current = limits;
  const { socket } = await begin(1e9);
  // Not by `once`, to which a reset is a failure: it is one of the ways to be cut.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (let sent = 0; sent < 1_000_000 && !socket.destroyed; sent += 100_000) {
    socket.write(Buffer.alloc(limits.bytes === 100_000 ? 100_000 : 1));
    await sleep(50);
  }
  await closed;
});
