import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { agent } from '../../test/agent.js';
import type { AgentRuntimeApp } from './node-app.js';

/** Starts an echoing agent, sends bytes over one connection, and gives what came back until it holds `until`. */
async function exchange(
  bytes: string,
  until: RegExp,
  prepare?: (app: AgentRuntimeApp) => void,
): Promise<string> {
  const app = agent((request) => request);
  prepare?.(app);
  onTestFinished(() => app.close());
  const { port } = await app.run({ port: 0, host: '127.0.0.1' });
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let answer = '';
  let isClosed = false;
  socket.on('data', (data) => {
    answer += String(data);
  });
  socket.on('close', () => {
    isClosed = true;
  });
  socket.write(bytes);
  await expect.poll(() => isClosed || until.test(answer), { timeout: 15_000 }).toBe(true);
  return answer;
}

const post = (body: string, headers = ''): string =>
  `POST /invocations HTTP/1.1\r\nhost: a\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;

test('a connection outlives answers that needed no body', async () => {
  const bytes = `GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\nPUT /ping HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}${post('"last"')}`;
  const answer = await exchange(bytes, /"last"/);
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 405', 'HTTP/1.1 200']);
  expect(answer).toContain('"result":"last"');
});

test('a wish to speak another protocol is passed over, body and all', async () => {
  const headers =
    'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n';
  for (const prepare of [undefined, (app: AgentRuntimeApp) => void app.websocket(() => {})]) {
    const answer = await exchange(
      `${post('"first"', headers)}${post('"second"')}`,
      /"result":"second"/,
      prepare,
    );
    expect(answer).toContain('"result":"first"');
    expect(answer).toContain('"result":"second"');
  }
});

test.each([
  ['is no HTTP', 'nonsense\r\n\r\n', 400],
  ['has headers without end', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ['asks for a tunnel', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', 405],
])('what %s gets a JSON error', async (_what, bytes, status) => {
  const answer = await exchange(bytes, /"error"/);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
    status: 'error',
    error: expect.any(String),
  });
});

// RFC 9112, section 3.2.
test('a request with no host, or with two, gets a JSON error, and the next one on its connection its answer', async () => {
  const noHost = post('"unheard"').replace('host: a\r\n', '');
  const twoHosts = post('"unheard"', 'Host: b\r\n');
  const answer = await exchange(`${noHost}${twoHosts}${post('"last"')}`, /"last"/);
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 400', 'HTTP/1.1 200']);
  expect(answer).toContain('"error":"A request must have one Host header');
  expect(answer).not.toContain('unheard');
});

test('a wish to speak WebSocket that names no host is refused', async () => {
  const bytes = 'GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  const answer = await exchange(bytes, /"error"/, (app) => void app.websocket(() => {}));
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
});

test('HTTP/1.0 need not name a host', async () => {
  expect(await exchange('GET /ping HTTP/1.0\r\n\r\n', /Healthy/)).toMatch(/^HTTP\/1\.1 200 /);
});

test('an expectation that nobody knows is passed over', async () => {
  expect(await exchange(post('"a"', 'expect: tea\r\n'), /"result":"a"/)).toMatch(/^HTTP\/1\.1 200 /);
});

// RFC 9112, section 3.2: origin-form, absolute-form, and what is neither.
test.each([
  ['/ping', 200],
  ['/ping?a=//b', 200],
  ['http://other.example/ping', 200],
  ['http://user:secret@other.example/ping?a', 200],
  ['//ping', 404],
  ['//evil.example/ping', 404],
  ['/./ping', 200],
  ['/%70ing', 404],
  ['http://[::1', 404],
])('GET %s leads to the same answer with a middleware as without', async (target, status) => {
  const bytes = `GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;
  const plain = await exchange(bytes, /never/);
  const behind = await exchange(bytes, /never/, (app) => app.middleware((request, next) => next(request)));
  expect([plain, behind].map((answer) => answer.slice(9, 12))).toEqual([String(status), String(status)]);
});
