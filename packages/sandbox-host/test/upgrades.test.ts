import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SandboxHost } from '../src/index.js';
import { addressOf, exchange, headOf, hostServing } from './raw-http.js';

/** Answers with what it was asked, and speaks WebSocket no further than its first words. */
const server = `
const server = require('node:http').createServer((request, response) => {
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body })));
});
server.on('upgrade', (request, socket) => {
  socket.end('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\nhello');
});
server.listen(8080, () => console.log('up'));
require('node:net').createServer((socket) => socket.end('inside')).on('error', () => {}).listen(49983);
`;

let host: SandboxHost;
let sandbox: Sandbox;
beforeAll(async () => {
  ({ host, sandbox } = await hostServing(server));
});
afterAll(() => host?.close());

const ask = (
  line: string,
  headers: Record<string, string>,
  rest = '',
  isEnough?: (received: string) => boolean,
) => exchange(host.sandboxUrl, headOf(line, headers) + rest, isEnough);

/** As Java's HttpClient offers it with the first request of a connection. */
const h2c = {
  connection: 'Upgrade, HTTP2-Settings',
  upgrade: 'h2c',
  'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
};

test('an offer of h2c is passed over: a port gets the request, body and all', async () => {
  const body = 'the body';
  const next = headOf('GET /next HTTP/1.1', { ...addressOf(sandbox), connection: 'close' });
  for (const upgrade of ['h2c', 'TLS/1.0', 'echo', 'websocket, h2c']) {
    const headers = { ...addressOf(sandbox), ...h2c, upgrade, 'content-length': String(body.length) };
    const answer = await ask('POST /a HTTP/1.1', headers, body + next);
    expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    expect(answer).toContain('"body":"the body"');
    expect(answer).not.toMatch(/h2c|http2-settings/);
  }
});

test('a body that comes later arrives, too, in chunks as with a length', async () => {
  const headers = { ...addressOf(sandbox), ...h2c, 'transfer-encoding': 'chunked' };
  const answer = await ask('POST /a HTTP/1.1', headers, '3\r\nabc\r\n0\r\n\r\n', (text) =>
    text.includes('"body"'),
  );
  expect(answer).toContain('"body":"abc"');
});

test("an offer of h2c to the control plane and to a sandbox's own API is passed over", async () => {
  const close = { ...h2c, connection: `${h2c.connection}, close` };
  expect(await ask('GET /health HTTP/1.1', { host: 'a', ...close })).toMatch(/^HTTP\/1.1 200 .*is running/s);
  const list = await ask('GET /v2/sandboxes HTTP/1.1', { host: 'a', 'x-api-key': host.apiKey, ...close });
  expect(list).toMatch(/^HTTP\/1.1 200 .*sandboxID/s);
  const created = await ask(
    'POST /v2/sandboxes HTTP/1.1',
    { host: 'a', 'x-api-key': host.apiKey, ...close, 'content-length': '2' },
    '{}',
  );
  expect(created).toMatch(/^HTTP\/1.1 400 /);
  const envd = addressOf(sandbox, 49_983);
  expect(await ask('GET /health HTTP/1.1', { ...envd, ...close })).toMatch(/^HTTP\/1.1 204 /);
  expect(await ask('GET /envs HTTP/1.1', { ...envd, ...close })).toMatch(/^HTTP\/1.1 401 /);
});

test('many offers on one connection leave nothing behind on it', async () => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', onWarning);
  const one = headOf('GET /a HTTP/1.1', { ...addressOf(sandbox), ...h2c });
  const answer = await ask('GET /a HTTP/1.1', { ...addressOf(sandbox), ...h2c }, one.repeat(29), (text) => {
    return text.split('HTTP/1.1 200').length === 31;
  });
  process.off('warning', onWarning);
  expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(30);
  expect(warnings).toEqual([]);
});

const webSocket = {
  connection: 'Upgrade',
  upgrade: 'WebSocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

test('WebSocket reaches a port, behind the answers to what came before', async () => {
  const headers = { ...addressOf(sandbox), ...webSocket };
  const answer = await ask('GET /a HTTP/1.1', addressOf(sandbox), headOf('GET /ws HTTP/1.1', headers));
  expect(answer).toMatch(/^HTTP\/1.1 200 .*}HTTP\/1.1 101 .*hello$/s);
});

test('a wish for WebSocket with a body, or by another method than GET, is passed over', async () => {
  const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n';
  for (const method of ['GET', 'POST']) {
    const headers = { ...addressOf(sandbox), ...webSocket, 'content-length': String(smuggled.length) };
    const answer = await ask(`${method} /a HTTP/1.1`, headers, smuggled, (text) => text.includes('"body"'));
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(answer).toContain(`"body":${JSON.stringify(smuggled)}`);
  }
});

test("WebSocket opens neither a server that listens on the port of the sandbox's own API nor the control plane", async () => {
  for (const path of ['/', '/health', '/process.Process/List']) {
    const own = await ask(`GET ${path} HTTP/1.1`, { ...addressOf(sandbox, 49_983), ...webSocket });
    expect(own).toMatch(/^HTTP\/1.1 400 .*speaks no WebSocket/s);
    expect(own).not.toContain('inside');
  }
  const control = await ask('GET /sandboxes HTTP/1.1', { host: 'a', 'x-api-key': host.apiKey, ...webSocket });
  expect(control).toMatch(/^HTTP\/1.1 404 /);
});
