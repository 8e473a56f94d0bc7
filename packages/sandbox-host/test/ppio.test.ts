import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox, Template } from 'e2b';
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
  for (const path of ['/invocations', '/ping', '/process.Process/List', '/files?path=a', '/metrics']) {
    for (const [headers, status] of [
      [{}, 401],
      [{ 'x-api-key': host.apiKey }, 404],
    ] as const) {
      // This one is the control plane's, too.
      if (path === '/metrics' && status === 404) continue;
      const response = await control(path, { ...headers });
      const { message } = (await response.json()) as { message: string };
      expect([path, response.status]).toEqual([path, status]);
      expect(message).toMatch(/host "127.0.0.1:\d+" names no sandbox.*must hand on Host and these headers/);
    }
  }
});

/** An agent as PPIO's CLI lays it out: Python without a package, so that it runs anywhere. */
const app = `from http.server import BaseHTTPRequestHandler, HTTPServer
import json, os
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({'status': 'Healthy', 'message': None, 'folder': os.getcwd()}).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
HTTPServer(('0.0.0.0', 8080), Handler).serve_forever()
`;
const agentYaml = (entrypoint: string) =>
  `apiVersion: v1\nkind: Agent\nmetadata:\n  name: own\nspec:\n  entrypoint: ${entrypoint}\n  launch:\n    unknown: true\n`;

async function build(name: string, files: Record<string, string>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ppio-agent-'));
  try {
    for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
    const template = Template({ fileContextPath: folder }).fromTemplate('base').copy('.', '/app');
    await Template.build(template, name, { apiUrl: origin, apiKey: host.apiKey });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('an agent that lies in /app without a start command is found by its agent.yaml, and started', async () => {
  await build('laid-out', { 'app.py': app, 'agent.yaml': agentYaml('app.py') });
  const connection = { apiUrl: origin, sandboxUrl: origin, apiKey: host.apiKey };
  const agent = await Sandbox.create('laid-out', connection);
  const response = await control('/ping', { 'e2b-sandbox-id': agent.sandboxId, 'e2b-sandbox-port': '8080' });
  expect(await response.json()).toMatchObject({
    status: 'Healthy',
    folder: expect.stringMatching(/\/app$/),
  });
  await agent.kill();
});

test('an agent.yaml in /app that names nothing to start fails the build in words', async () => {
  for (const [content, why] of [
    [agentYaml('app.rb'), /spec.entrypoint is "app.rb"; it must be a .py, .js/],
    ['kind: Agent', /spec.entrypoint is undefined/],
    ['a: [', /agent.yaml is not YAML/],
  ] as const) {
    await expect(build('laid-out-wrong', { 'agent.yaml': content })).rejects.toThrow(why);
  }
});
