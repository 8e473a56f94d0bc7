import { createServer } from 'node:net';
import { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { exchange, headOf, serve } from './raw-http.js';

const domain = 'sandboxes.example';
const echo = `require('node:http').createServer((request, response) => {
  response.end(JSON.stringify(request.headers));
}).listen(8080, () => console.log('up'))`;

let host: SandboxHost;
let origin: string;
let sandbox: Sandbox;
beforeAll(async () => {
  const port = await freePort();
  host = await createSandboxHost({ isolation: 'none', domain, port });
  origin = `http://127.0.0.1:${port}`;
  const connection = { apiUrl: origin, sandboxUrl: origin, apiKey: host.apiKey };
  sandbox = await Sandbox.create({ ...connection, timeoutMs: 600_000 });
  await serve(sandbox, echo);
});
afterAll(() => host?.close());

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const named = (name: string, path = '/', headers: Record<string, string> = {}): Promise<string> =>
  exchange(origin, headOf(`GET ${path} HTTP/1.1`, { host: name, ...headers, connection: 'close' }));
const control = async (path: string, headers: Record<string, string>, init: RequestInit = {}) =>
  fetch(origin + path, { ...init, headers });

test('a bearer token opens the control plane as X-API-KEY does', async () => {
  for (const authorization of [`Bearer ${host.apiKey}`, `bearer ${host.apiKey}`]) {
    const response = await control(`/sandboxes/${sandbox.sandboxId}`, { authorization });
    expect(await response.json()).toMatchObject({ sandboxID: sandbox.sandboxId });
  }
  for (const headers of [
    { authorization: 'Bearer wrong' },
    { authorization: host.apiKey },
    { authorization: `Basic ${host.apiKey}` },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${host.apiKey}`, 'x-api-key': 'wrong' },
  ] as Record<string, string>[]) {
    expect((await control('/v2/sandboxes', headers)).status).toBe(401);
  }
});

test("the host's key never reaches a sandbox, whatever header it comes in", async () => {
  const { apiKey } = host;
  const port = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' };
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const forms: Record<string, string>[] = [
    { authorization: `Bearer ${apiKey}` },
    { authorization: apiKey },
    { authorization: basic(`${apiKey}:`) },
    { authorization: basic(`api:${apiKey}`) },
    { 'x-api-key': apiKey },
    { 'x-other': apiKey },
    { cookie: `a=b; key=${apiKey}` },
    { 'sec-websocket-protocol': `bearer, ${apiKey}` },
    { 'x-twice': `a${apiKey} ${apiKey}` },
  ];
  for (const form of forms) {
    const text = await (await control('/', { ...port, ...form })).text();
    for (const value of Object.values(form)) expect(text).not.toContain(value);
    expect(text).not.toContain(apiKey);
  }
  const own = { authorization: 'Bearer own', cookie: 'a=b', 'x-other': `${apiKey}2` };
  expect(await (await control('/', { ...port, ...own })).json()).toMatchObject(own);
});

test('a sandbox is found by its id and a client id, in paths, host names and headers', async () => {
  const id = `${sandbox.sandboxId}-6532622b`;
  const key = { 'x-api-key': host.apiKey };
  const detail = await control(`/sandboxes/${id}`, key);
  expect(await detail.json()).toMatchObject({ sandboxID: sandbox.sandboxId });
  const timeout = await control(
    `/sandboxes/${id}/timeout`,
    { ...key, 'content-type': 'application/json' },
    { method: 'POST', body: '{"timeout":600}' },
  );
  expect(timeout.status).toBe(204);
  expect(await named(`8080-${id}.${domain}`)).toMatch(/^HTTP\/1.1 200 /);
  expect(await named(`49983-${id}.${domain}`, '/health')).toMatch(/^HTTP\/1.1 204 /);
  const header = { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '8080' };
  expect((await control('/', header)).status).toBe(200);
  expect((await control('/sandboxes/none-6532622b', key)).status).toBe(404);
  const other = await Sandbox.create({ apiUrl: origin, sandboxUrl: origin, apiKey: host.apiKey });
  expect((await control(`/sandboxes/${other.sandboxId}-local`, key, { method: 'DELETE' })).status).toBe(204);
});

test('a name under the domain that is no sandbox is a page that says so, never the control plane', async () => {
  const key = { 'x-api-key': host.apiKey };
  for (const name of [
    '8080-none',
    '8080-none-client',
    'www',
    '8080',
    'none',
    '8080-none.api',
    'x.sandbox',
    '-',
    '99999999-a',
  ]) {
    for (const full of [`${name}.${domain}`, `${name}.${domain.toUpperCase()}:8443`]) {
      for (const path of ['/', '/health', '/v2/sandboxes']) {
        expect([full, (await named(full, path, key)).slice(0, 12)]).toEqual([full, 'HTTP/1.1 502']);
      }
    }
  }
  const page = await named(`www.${domain}`, '/', { 'user-agent': 'Mozilla/5.0' });
  expect(page).toMatch(/content-type: text\/html.*<h1>Sandbox Not Found<\/h1>/s);
  for (const name of [`api.${domain}`, `sandbox.${domain}`, domain, '127.0.0.1', `not${domain}`]) {
    expect(await named(name, '/health')).toMatch(/^HTTP\/1.1 200 /);
  }
});

test('a request whose host names no sandbox hears what a proxy has to hand on', async () => {
  for (const [path, status] of [
    ['/invocations', 404],
    ['/ping', 404],
    ['/process.Process/List', 404],
    ['/files?path=a', 404],
    ['/metrics', 401],
    ['/sandboxes', 401],
  ] as const) {
    const response = await control(path, { host: 'backend:8080' });
    const { message } = (await response.json()) as { message: string };
    expect([path, response.status]).toEqual([path, status]);
    expect(message).toMatch(/host "127.0.0.1:\d+" names no sandbox.*must hand on Host and these headers/);
  }
});
