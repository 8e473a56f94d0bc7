import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox } from 'e2b';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { bundleProgram } from './bundle-program.js';

let host: SandboxHost;
let sandbox: Sandbox;
let other: Sandbox;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'agent-test-'));
  host = await createSandboxHost({ dataDir });
  const program = await bundleProgram('agent.ts');
  const agent = async (): Promise<Sandbox> => {
    const { apiUrl, sandboxUrl, apiKey } = host;
    const made = await Sandbox.create({ apiUrl, sandboxUrl, apiKey });
    await made.files.write('agent.mjs', program);
    await made.commands.run('node agent.mjs', { background: true, timeoutMs: 0 });
    // A loaded machine may need more than the gateway waits for a port.
    await vi.waitFor(async () => expect((await ask(made, '/ping')).status).toBe(200), { timeout: 20_000 });
    return made;
  };
  [sandbox, other] = await Promise.all([agent(), agent()]);
}, 60_000);

afterAll(async () => {
  await host?.close();
  await rm(dataDir, { recursive: true, force: true });
});

const address = (target: Sandbox, port = 8080) => ({
  'e2b-sandbox-id': target.sandboxId,
  'e2b-sandbox-port': String(port),
});
const ask = (target: Sandbox, path: string, init: RequestInit = {}) =>
  fetch(host.sandboxUrl + path, { ...init, headers: { ...address(target), ...init.headers } });

/** Asks the agent from inside its sandbox, past the gateway. */
async function askWithin(target: Sandbox, token?: string): Promise<number> {
  const headers = token ? { 'x-gateway-token': token } : {};
  await target.files.write(
    'ask.mjs',
    `const { status } = await fetch('http://127.0.0.1:8080/invocations', { method: 'POST', body: '{}', headers: ${JSON.stringify(headers)} });
     console.log(status);`,
  );
  return Number((await target.commands.run('node ask.mjs')).stdout);
}

test('an agent takes what came through the gateway, and never sees by what it knew', async () => {
  const headers = { 'x-gateway-token': 'forged', 'x-of-the-caller': 'yes' };
  const response = await ask(sandbox, '/invocations', { method: 'POST', body: '{"prompt":"hi"}', headers });
  expect(response.status).toBe(200);
  const [names, prompt] = (await response.text())
    .split('\n\n')
    .filter(Boolean)
    .map((frame) => JSON.parse(frame.slice('data: '.length)));
  expect(prompt).toBe('hi');
  expect(names).toContain('x-of-the-caller');
  expect(names).not.toContain('x-gateway-token');
});

test('an agent refuses what did not come through the gateway, but answers pings', async () => {
  expect(await askWithin(sandbox)).toBe(401);
  expect((await ask(sandbox, '/ping')).status).toBe(200);
});

test('an agent refuses tokens of another sandbox, of another signer, and those that have run out', async () => {
  const key = createPrivateKey(await readFile(join(dataDir, 'gateway-key.pem'), 'utf8'));
  const sign = (sid: string, expires: string): Promise<string> =>
    new SignJWT({ sid }).setProtectedHeader({ alg: 'EdDSA' }).setExpirationTime(expires).sign(key);
  expect(await askWithin(sandbox, await sign(sandbox.sandboxId, '1m'))).toBe(200);
  expect(await askWithin(sandbox, await sign(other.sandboxId, '1m'))).toBe(401);
  expect(await askWithin(sandbox, await sign(sandbox.sandboxId, '-1m'))).toBe(401);
  expect(await askWithin(sandbox, 'not.a.token')).toBe(401);
});

test('a WebSocket reaches the agent through the gateway', async () => {
  const socket = new WebSocket(`${host.sandboxUrl.replace('http', 'ws')}/ws`, { headers: address(sandbox) });
  await once(socket, 'open');
  socket.send('hello');
  expect(String((await once(socket, 'message'))[0])).toBe('HELLO');
  socket.close(1000);
  expect((await once(socket, 'close'))[0]).toBe(1000);
});

test('a refused upgrade comes back as the agent said it', async () => {
  const socket = new WebSocket(`${host.sandboxUrl.replace('http', 'ws')}/nowhere`, {
    headers: address(sandbox),
  });
  const [, response] = await once(socket, 'unexpected-response');
  expect(response.statusCode).toBeGreaterThanOrEqual(400);
  response.resume();
  const closed = new WebSocket(`${host.sandboxUrl.replace('http', 'ws')}/ws`, {
    headers: address(sandbox, 4321),
  });
  const [, refusal] = await once(closed, 'unexpected-response');
  expect(refusal.statusCode).toBe(502);
  refusal.resume();
});
