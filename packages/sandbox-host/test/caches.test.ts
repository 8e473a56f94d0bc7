import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { SandboxHost } from '../src/index.js';
import { addressOf, exchange, headOf, hostServing } from './raw-http.js';

/** Answers with the headers that its query names. */
const server = `require('node:http').createServer((request, response) => {
  for (const [name, value] of new URL(request.url, 'http://a').searchParams) response.setHeader(name, value);
  response.end('own');
}).listen(8080, () => console.log('up'))`;

let host: SandboxHost;
let sandbox: Sandbox;
let token: string;
beforeAll(async () => {
  ({ host, sandbox } = await hostServing(server));
  token = Reflect.get(sandbox, 'envdAccessToken') as string;
});
afterAll(() => host?.close());

async function get(path: string, headers: Record<string, string>, method = 'GET'): Promise<Headers> {
  const response = await fetch(host.sandboxUrl + path, { method, headers });
  await response.arrayBuffer();
  return response.headers;
}
const addressed = (port = 8080): Record<string, string> => {
  const { host: _, ...headers } = addressOf(sandbox, port);
  return headers;
};
const key = () => ({ 'x-api-key': host.apiKey });
const envd = () => ({ ...addressed(49_983), 'x-access-token': token });

test("no cache keeps what the control plane or a sandbox's own API says", async () => {
  const said: [string, () => Record<string, string>, string?][] = [
    [`/sandboxes/${sandbox.sandboxId}`, key],
    ['/v2/sandboxes', key],
    ['/v2/sandboxes', () => ({})],
    ['/openapi.json', () => ({})],
    ['/health', () => ({})],
    ['/nothing', key],
    ['/x/uploads/a/b?key=c', () => ({})],
    ['/x/uploads/a/b?key=c', () => ({}), 'PUT'],
    ['/files?path=/etc/hostname', envd],
    ['/files?path=/nothing', envd],
    ['/files?path=/etc/hostname', () => addressed(49_983)],
    ['/envs', envd],
    ['/metrics', envd],
    ['/health', envd],
    ['/process.Process/List', envd, 'POST'],
  ];
  for (const [path, headers, method] of said) {
    const received = await get(path, headers(), method);
    expect([path, received.get('cache-control')]).toEqual([path, 'no-store']);
  }
});

test('no cache keeps that a port or a sandbox is not there', async () => {
  for (const headers of [
    addressed(4321),
    { ...addressed(), 'e2b-sandbox-id': 'none' },
    { ...addressed(), 'e2b-sandbox-port': 'x' },
  ]) {
    for (const agent of ['node', 'Mozilla/5.0']) {
      expect((await get('/', { ...headers, 'user-agent': agent })).get('cache-control')).toBe('no-store');
    }
  }
});

test('a cache tells sandboxes and ports apart, by what a request names them by', async () => {
  for (const path of ['/', '/?vary=accept', '/a.png?cache-control=max-age%3D60']) {
    const varies = (await get(path, addressed())).get('vary')?.toLowerCase().split(', ') ?? [];
    expect(varies).toEqual(
      expect.arrayContaining(['host', 'e2b-sandbox-id', 'e2b-sandbox-port', 'e2b-traffic-access-token']),
    );
    if (path.includes('vary')) expect(varies).toContain('accept');
  }
});

test("no cache keeps an agent's word of the moment, unless the agent says that it may", async () => {
  for (const path of [
    '/ping',
    '/ping?a',
    '/metrics',
    '/invocations',
    '/invocations/a',
    '/invocations/a/events',
  ]) {
    expect([path, (await get(path, addressed())).get('cache-control')]).toEqual([path, 'no-store']);
  }
  expect((await get('/ping?cache-control=max-age%3D5', addressed())).get('cache-control')).toBe('max-age=5');
  for (const path of ['/', '/pings', '/a/ping']) {
    expect((await get(path, addressed())).get('cache-control')).toBeNull();
  }
});

test('no proxy holds event streams back, unless the agent says that it may', async () => {
  const type = 'content-type=text%2Fevent-stream%3B%20charset%3Dutf-8';
  expect((await get(`/?${type}`, addressed())).get('x-accel-buffering')).toBe('no');
  expect((await get(`/?${type}&x-accel-buffering=yes`, addressed())).get('x-accel-buffering')).toBe('yes');
  expect((await get('/?content-type=text%2Fplain', addressed())).get('x-accel-buffering')).toBeNull();
});

/** A stream of the Connect protocol: one message, and what the host is heard saying until that is enough. */
function stream(
  path: string,
  message: unknown,
  headers: Record<string, string>,
  isEnough: RegExp,
): Promise<string> {
  const text = JSON.stringify(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  const body = `\0${length.toString('latin1')}${text}`;
  const head = headOf(`POST ${path} HTTP/1.1`, {
    ...addressOf(sandbox, 49_983),
    'x-access-token': token,
    'content-type': 'application/connect+json',
    'content-length': String(body.length),
    ...headers,
  });
  return exchange(host.sandboxUrl, head + body, (received) => isEnough.test(received));
}
const watch = '/filesystem.Filesystem/WatchDir';
const start = '/process.Process/Start';
const sleep = { process: { cmd: 'sleep', args: ['1000'] } };

test("no proxy holds streams of a sandbox's own API back, those that fail neither", async () => {
  const failed = await stream(watch, { path: '/nothing' }, {}, /"error"/);
  const watched = await stream(watch, { path: '/tmp' }, {}, /"start"/);
  const followed = await stream(start, sleep, {}, /"start"/);
  for (const said of [failed, watched, followed]) expect(said).toMatch(/\r\nx-accel-buffering: no\r\n/i);
});

test('more than ten commands and watches that are followed give no warning', async () => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', onWarning);
  const open: { kill(): Promise<unknown> }[] = [];
  const stops: (() => Promise<unknown>)[] = [];
  for (let i = 0; i < 12; i++) {
    open.push(await sandbox.commands.run('sleep 1000', { background: true, timeoutMs: 0 }));
    const handle = await sandbox.files.watchDir('/tmp', () => {}, { timeoutMs: 0 });
    stops.push(() => handle.stop());
  }
  await Promise.all([...open.map((one) => one.kill()), ...stops.map((stop) => stop())]);
  await vi.waitFor(() => expect(open).toHaveLength(12));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

// The proxies that are the least patient end a connection after 30 s of silence.
test.each([undefined, '0', '90', 'x'])(
  'a stream is never silent for more than 20 s, asked for %s',
  async (asked) => {
    const begun = performance.now();
    const said = await stream(
      start,
      sleep,
      asked === undefined ? {} : { 'keepalive-ping-interval': asked },
      /"keepalive"/,
    );
    expect(said).toContain('"keepalive"');
    expect(performance.now() - begun).toBeGreaterThan(15_000);
  },
);
