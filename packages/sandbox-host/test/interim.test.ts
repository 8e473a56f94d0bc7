import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SandboxHost } from '../src/index.js';
import { addressOf, exchange, headOf, hostServing } from './raw-http.js';

/**
 * Sends interim answers first. Under /once it answers a connection's first request and ends the connection when the
 * second is on its way, as a server does whose time for an idle one is over; under /half it has begun to answer.
 */
const server = `
let runs = 0;
require('node:net').createServer((socket) => {
  let requests = 0;
  socket.on('error', () => {});
  socket.on('data', (data) => {
    const path = /^[A-Z]+ (\\S+)/.exec(data)?.[1];
    if (!path) return;
    const say = (text) => socket.write('HTTP/1.1 200 OK\\r\\nKeep-Alive: timeout=60\\r\\nContent-Length: ' + text.length + '\\r\\n\\r\\n' + (data.toString().startsWith('HEAD') ? '' : text));
    if (path === '/runs') return say(String(runs));
    requests += 1;
    runs += 1;
    if (path === '/hints') {
      socket.write('HTTP/1.1 100 Continue\\r\\n\\r\\nHTTP/1.1 102 Processing\\r\\n\\r\\nHTTP/1.1 103 Early Hints\\r\\nLink: </a.css>; rel=preload\\r\\nConnection: x-hop\\r\\nX-Hop: own\\r\\n\\r\\n');
      setTimeout(say, 20, 'hinted');
    } else if (path === '/flood') {
      socket.write('HTTP/1.1 102 Processing\\r\\n\\r\\n'.repeat(40_000));
      setTimeout(say, 20, 'flooded');
    } else if (requests === 1) say('first');
    else if (path === '/half') socket.end('HTTP/1.1 2');
    else socket.destroy();
  });
}).listen(8080, () => console.log('up'));
`;

let host: SandboxHost;
let sandbox: Sandbox;
beforeAll(async () => {
  ({ host, sandbox } = await hostServing(server));
});
afterAll(() => host?.close());

const request = (line: string, headers: Record<string, string> = {}): string =>
  headOf(line, { ...addressOf(sandbox), ...headers });
const ask = (bytes: string, isEnough: (received: string) => boolean): Promise<string> =>
  exchange(host.sandboxUrl, bytes, isEnough);
const plainly = async (path: string, method = 'GET', body?: string): Promise<Response> => {
  const { host: _, ...headers } = addressOf(sandbox);
  return fetch(`${host.sandboxUrl}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
};
const runs = async (): Promise<number> => Number(await (await plainly('/runs')).text());

const hints =
  /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload\r\n\r\nHTTP\/1.1 200 OK\r\n/;

test('interim answers reach the caller before the one that counts', async () => {
  expect(await ask(request('GET /hints HTTP/1.1'), (text) => text.endsWith('hinted'))).toMatch(hints);
});

test('interim answers to what was asked behind another request follow its answer', async () => {
  const two = request('GET /hints HTTP/1.1') + request('GET /hints HTTP/1.1');
  const answer = await ask(two, (text) => text.split('hinted').length === 3);
  const [first = '', second = ''] = answer.split('hinted');
  expect([first, second]).toEqual([expect.stringMatching(hints), expect.stringMatching(hints)]);
});

test('a caller of HTTP/1.0 gets none', async () => {
  const answer = await ask(request('GET /hints HTTP/1.0'), (text) => text.endsWith('hinted'));
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
});

test('a flood of them is no trouble', async () => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', onWarning);
  const answer = await ask(request('GET /flood HTTP/1.1'), (text) => text.endsWith('flooded'));
  process.off('warning', onWarning);
  expect(answer).toMatch(/^HTTP\/1.1 102 .*HTTP\/1.1 200 OK/s);
  expect(warnings).toEqual([]);
});

test('a GET and a HEAD that meet a connection being closed are sent again, once', async () => {
  for (const method of ['GET', 'HEAD']) {
    await (await plainly('/once')).text();
    const before = await runs();
    const response = await plainly('/once', method);
    expect([response.status, await response.text()]).toEqual([200, method === 'GET' ? 'first' : '']);
    expect((await runs()) - before).toBeLessThanOrEqual(2);
  }
});

test.each([
  ['POST', 'body'],
  ['PUT', 'body'],
  ['DELETE', undefined],
  ['OPTIONS', undefined],
  ['POST', undefined],
])('a %s that does is not', async (method, body) => {
  await (await plainly('/once')).text();
  const before = await runs();
  const response = await plainly('/once', method, body);
  expect([response.status, await response.json()]).toMatchObject([
    502,
    { message: 'The sandbox closed the connection' },
  ]);
  expect((await runs()) - before).toBe(1);
});

test('a GET whose answer has begun, or whose connection is new, is not', async () => {
  await (await plainly('/half')).text();
  const before = await runs();
  expect((await plainly('/half')).status).toBe(502);
  expect((await runs()) - before).toBe(1);
});
