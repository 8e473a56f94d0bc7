import { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll, beforeEach, expect, type MockInstance, test, vi } from 'vitest';
import type { SandboxHost } from '../src/index.js';
import { addressOf, exchange, headOf, hostServing } from './raw-http.js';

const echo = `require('node:http').createServer((request, response) => {
  response.end(JSON.stringify({ url: request.url, host: request.headers.host }));
}).listen(8080, () => console.log('up'))`;

let host: SandboxHost;
let sandbox: Sandbox;
let errors: MockInstance<typeof console.error>;
beforeAll(async () => {
  ({ host, sandbox } = await hostServing(echo));
});
afterAll(() => host?.close());
beforeEach(() => {
  errors = vi.spyOn(console, 'error');
});
afterEach(() => errors.mockRestore());

const ask = (line: string, headers: Record<string, string>): Promise<string> =>
  exchange(host.sandboxUrl, headOf(line, { ...headers, connection: 'close' }));
const statusOf = (answer: string): number => Number(answer.slice(9, 12));
const bodyOf = (answer: string): unknown => JSON.parse(answer.split('\r\n\r\n')[1] ?? '');

const odd = [
  '//',
  '///',
  '//files',
  '//evil.example/health',
  '/\\',
  '/%',
  '/%00',
  '/..//',
  '/.',
  '/files',
  '/?%',
  '/[::1',
  '*',
];

test.each(odd)('GET %s is no trouble of the host', async (target) => {
  const places: Record<string, string>[] = [
    { host: 'a' },
    { host: 'a', 'x-api-key': host.apiKey },
    addressOf(sandbox, 49_983),
    { ...addressOf(sandbox, 49_983), 'x-access-token': Reflect.get(sandbox, 'envdAccessToken') as string },
    { host: '[' },
    { host: 'a b' },
  ];
  for (const place of places) {
    const status = statusOf(await ask(`GET ${target} HTTP/1.1`, place));
    expect([400, 401, 404]).toContain(status);
  }
  expect(errors).not.toHaveBeenCalled();
});

test.each(['//', '//evil.example/a', '/a?//b', '/%2F'])('a port gets %s as it is', async (target) => {
  const answer = await ask(`GET ${target} HTTP/1.1`, addressOf(sandbox));
  expect(bodyOf(answer)).toEqual({ url: target, host: 'a' });
});

test('a whole URL is a path and a host, whatever the Host header says', async () => {
  const name = `8080-${sandbox.sandboxId}.sandboxes.example`;
  for (const [target, url] of [
    [`http://${name}/a?b=c`, '/a?b=c'],
    [`HTTP://${name}`, '/'],
    [`http://${name}?b`, '/?b'],
  ]) {
    const answer = await ask(`GET ${target} HTTP/1.1`, { host: 'other.example' });
    expect(bodyOf(answer)).toEqual({ url, host: name });
  }
  expect(statusOf(await ask('GET http://api.example/health HTTP/1.1', { host: 'a' }))).toBe(200);
  expect(statusOf(await ask('GET http://a/health HTTP/1.1', addressOf(sandbox, 49_983)))).toBe(204);
});

test.each(['ftp://a/b', 'http://', 'http://user@a/b', 'http:///b', 'a', 'a:1'])(
  'GET %s is refused',
  async (target) => {
    for (const place of [{ host: 'a' }, addressOf(sandbox), addressOf(sandbox, 49_983)]) {
      expect(statusOf(await ask(`GET ${target} HTTP/1.1`, place))).toBe(400);
    }
    expect(errors).not.toHaveBeenCalled();
  },
);

test('CONNECT is refused in words', async () => {
  const answer = await ask('CONNECT a:80 HTTP/1.1', { host: 'a:80' });
  expect(answer).toMatch(/^HTTP\/1.1 405 .*"message":"This host is no proxy/s);
});

test('a URL that is signed opens its file, for as many sandboxes as there are', async () => {
  const { apiUrl, sandboxUrl, apiKey } = host;
  const others = await Promise.all([1, 2].map(() => Sandbox.create({ apiUrl, sandboxUrl, apiKey })));
  for (const one of [sandbox, ...others]) {
    await one.files.write('/home/user/own.txt', one.sandboxId);
    const url = await one.downloadUrl('/home/user/own.txt');
    for (const _ of [1, 2]) expect(await (await fetch(url)).text()).toBe(one.sandboxId);
  }
  const [gone] = others as [Sandbox];
  const url = await gone.downloadUrl('/home/user/own.txt');
  expect((await fetch(url)).status).toBe(200);
  await gone.kill();
  expect((await fetch(url)).status).not.toBe(200);
});
