import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { agent } from '../../test/agent.js';

/** Starts an echoing agent, sends bytes over one connection, and gives what came back until it holds `until`. */
async function exchange(bytes: string, until: RegExp, withWebSocket = false): Promise<string> {
  const app = agent((request) => request);
  if (withWebSocket) app.websocket(() => {});
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
  for (const withWebSocket of [false, true]) {
    const answer = await exchange(
      `${post('"first"', headers)}${post('"second"')}`,
      /"result":"second"/,
      withWebSocket,
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

test('a request without a host, or with an expectation nobody knows, is answered as it is', async () => {
  expect(await exchange('GET /ping HTTP/1.1\r\n\r\n', /Healthy/)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await exchange(post('"a"', 'expect: tea\r\n'), /"result":"a"/)).toMatch(/^HTTP\/1\.1 200 /);
});
