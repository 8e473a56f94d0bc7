import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesWith } from '@sandpiper/engine-linux/testing/traces';
import { Sandbox, Template, waitForPort, waitForURL } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { bundleProgram } from './bundle-program.js';

interface PoolView {
  template: string;
  ready: number;
  starting: number;
  target: number;
  hits: number;
  misses: number;
  failures: number;
  pausedUntil?: string;
  lastError?: string;
}

let host: SandboxHost;
let folder: string;
const connection = () => ({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
const patience = { timeout: 60_000, interval: 50 };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pool-test-'));
  await writeFile(join(folder, 'agent.mjs'), await bundleProgram('bound-agent.ts'));
  await writeFile(
    join(folder, 'plain.cjs'),
    `const { createServer } = require('node:http');
     createServer((request, response) => { response.statusCode = request.url === '/env' ? 200 : 404; response.end(JSON.stringify(process.env)); }).listen(8080);`,
  );
  // Waits before there are templates for it to wait for.
  host = await createSandboxHost({ pools: { agent: { min: 1 } } });
  const template = () => Template({ fileContextPath: folder }).fromTemplate('base');
  const agent = template().copy('agent.mjs', '.').setEnvs({ OF_TEMPLATE: 'yes' });
  await Template.build(
    agent.setStartCmd('node agent.mjs', waitForURL('http://localhost:8080/ping', 200)),
    'agent',
    connection(),
  );
  await Template.build(
    template().copy('plain.cjs', '.').setStartCmd('node plain.cjs', waitForPort(8080)),
    'plain',
    connection(),
  );
}, 120_000);

afterAll(async () => {
  await host?.close();
  await rm(folder, { recursive: true, force: true });
});

const call = (path: string, init: RequestInit = {}) =>
  fetch(host.apiUrl + path, { ...init, headers: { 'x-api-key': host.apiKey } });
const setPool = (template: string, size: object) =>
  call(`/x/pools/${template}`, { method: 'PUT', body: JSON.stringify(size) });

async function pool(template: string): Promise<PoolView | undefined> {
  const pools = (await (await call('/x/pools')).json()) as PoolView[];
  return pools.find((one) => one.template === template);
}

const untilReady = (template: string, ready: number): Promise<unknown> =>
  vi.waitFor(async () => expect(await pool(template)).toMatchObject({ ready, starting: 0 }), patience);

const ask = async (sandbox: Sandbox, path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(host.sandboxUrl + path, {
    ...init,
    headers: { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' },
  });

const invoke = async (sandbox: Sandbox) => {
  const response = await ask(sandbox, '/invocations', { method: 'POST', body: '{}' });
  expect(response.status).toBe(200);
  const { result } = (await response.json()) as {
    result: { env: Record<string, string>; metadata: Record<string, string>; uptime: number };
  };
  return result;
};

test("a sandbox from the pool has its caller's environment, metadata and time, as if it were new", async () => {
  await untilReady('agent', 1);
  const listed = await Sandbox.list(connection()).nextItems();
  expect(listed).toEqual([]);
  const before = await pool('agent');
  const sandbox = await Sandbox.create('agent', {
    ...connection(),
    envs: { SECRET: 'of-the-caller' },
    metadata: { user: 'ann' },
    timeoutMs: 120_000,
  });
  const { env, metadata } = await invoke(sandbox);
  expect(env).toMatchObject({
    SECRET: 'of-the-caller',
    OF_TEMPLATE: 'yes',
    E2B_SANDBOX_ID: sandbox.sandboxId,
  });
  expect(metadata).toEqual({ user: 'ann' });
  expect(JSON.stringify(env)).not.toContain('BIND_TOKEN');
  const { stdout } = await sandbox.commands.run('echo "$SECRET $AGENT_RUNTIME_BIND_TOKEN."');
  expect(stdout).toBe('of-the-caller .\n');
  const info = await sandbox.getInfo();
  expect(info.metadata).toEqual({ user: 'ann' });
  expect(info.endAt.getTime() - info.startedAt.getTime()).toBeLessThanOrEqual(121_000);
  expect((await Sandbox.list(connection()).nextItems()).map((one) => one.sandboxId)).toEqual([
    sandbox.sandboxId,
  ]);
  expect((await pool('agent'))?.hits).toBe((before?.hits ?? 0) + 1);
  await sandbox.kill();
  await untilReady('agent', 1);
});

test('who finds the pool empty gets a new sandbox', async () => {
  await untilReady('agent', 1);
  const before = await pool('agent');
  const envs = (n: number) => ({ WHO: String(n) });
  const made = await Promise.all(
    [1, 2, 3].map((n) => Sandbox.create('agent', { ...connection(), envs: envs(n) })),
  );
  const answers = await Promise.all(made.map(invoke));
  expect(answers.map(({ env }) => env.WHO)).toEqual(['1', '2', '3']);
  const after = await pool('agent');
  expect((after?.hits ?? 0) - (before?.hits ?? 0)).toBeGreaterThanOrEqual(1);
  const asked = (view: PoolView | undefined): number => (view?.hits ?? 0) + (view?.misses ?? 0);
  expect(asked(after) - asked(before)).toBe(3);
  await Promise.all(made.map((one) => one.kill()));
});

test('a server that cannot be bound is handed out only to who brings no environment for it', async () => {
  expect((await setPool('plain', { min: 1 })).status).toBe(200);
  await untilReady('plain', 1);
  const cold = await Sandbox.create('plain', { ...connection(), envs: { OWN: 'mine' } });
  expect(await (await ask(cold, '/env')).json()).toMatchObject({ OWN: 'mine' });
  expect(await pool('plain')).toMatchObject({ hits: 0, misses: 1, ready: 1 });
  const warm = await Sandbox.create('plain', connection());
  expect((await ask(warm, '/env')).status).toBe(200);
  expect(await pool('plain')).toMatchObject({ hits: 1, misses: 1 });
  await Promise.all([cold.kill(), warm.kill()]);
  await setPool('plain', { min: 0 });
  expect(await pool('plain')).toBeUndefined();
});

test('a sandbox without a server takes any environment from the pool', async () => {
  await setPool('base', { min: 2 });
  await untilReady('base', 2);
  const sandbox = await Sandbox.create('base', { ...connection(), envs: { OWN: 'mine' } });
  expect((await sandbox.commands.run('echo $OWN')).stdout).toBe('mine\n');
  expect((await pool('base'))?.hits).toBe(1);
  await sandbox.kill();
  await setPool('base', { min: 0 });
});

test('the more are asked for, the more wait, up to the maximum', async () => {
  await setPool('base', { min: 0, max: 2 });
  expect(await pool('base')).toMatchObject({ target: 0 });
  const made = [];
  for (let i = 0; i < 3; i++) made.push(await Sandbox.create('base', connection()));
  expect(await pool('base')).toMatchObject({ target: 2 });
  await untilReady('base', 2);
  await Promise.all(made.map((one) => one.kill()));
  await setPool('base', { min: 0, max: 0 });
});

test.each(['agent', 'sandbox'])(
  'what waits and has died (the whole %s) is handed out to nobody',
  async (what) => {
    // Without namespaces there is no process whose end would be that of all.
    const isNamespaced = host.capabilities.isolation.level === 'enforced';
    const program = `waits-${process.pid}.mjs`;
    await copyFile(join(folder, 'agent.mjs'), join(folder, program));
    const template = Template({ fileContextPath: folder }).fromTemplate('base').copy(program, '.');
    await Template.build(
      template.setStartCmd(`exec node ${program}`, waitForURL('http://localhost:8080/ping', 200)),
      'mortal',
      connection(),
    );
    await setPool('mortal', { min: 1 });
    await untilReady('mortal', 1);
    const agents = processesWith(`node ${program}`);
    expect(agents).toHaveLength(1);
    for (const pid of agents)
      process.kill(what === 'sandbox' && isNamespaced ? firstOf(pid) : pid, 'SIGKILL');
    await expect.poll(() => agents.filter((pid) => existsSync(`/proc/${pid}/root`)), patience).toEqual([]);
    const sandbox = await Sandbox.create('mortal', { ...connection(), envs: { WHO: 'me' } });
    expect((await invoke(sandbox)).env.WHO).toBe('me');
    expect(await sandbox.isRunning()).toBe(true);
    await setPool('mortal', { min: 0 });
    await sandbox.kill();
    await expect.poll(() => processesWith(`node ${program}`), patience).toEqual([]);
  },
);

/** The first process of the process namespace that a process is in. */
function firstOf(pid: number): number {
  const namespace = (of: number): string | undefined => {
    try {
      return readlinkSync(`/proc/${of}/ns/pid`);
    } catch {
      return undefined;
    }
  };
  const isFirst = (of: number): boolean =>
    namespace(of) === namespace(pid) && /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${of}/status`, 'utf8'));
  const first = readdirSync('/proc').map(Number).filter(Number.isInteger).find(isFirst);
  if (first === undefined) throw new Error(`Process ${pid} is in no sandbox.`);
  return first;
}

test('what waits follows the build of its template', async () => {
  const build = (text: string) =>
    Template.build(Template().fromTemplate('base').runCmd(`echo ${text} > which`), 'changing', connection());
  await build('first');
  await setPool('changing', { min: 1 });
  await untilReady('changing', 1);
  await build('second');
  await vi.waitFor(async () => {
    const sandbox = await Sandbox.create('changing', connection());
    const { stdout } = await sandbox.commands.run('cat which');
    await sandbox.kill();
    expect(stdout).toBe('second\n');
    expect((await pool('changing'))?.hits).toBeGreaterThan(0);
  }, patience);
  await setPool('changing', { min: 0 });
});

test('a pool that fails again and again stops for a while and says why, and others are still served', async () => {
  const isFree = 'test -z "$AGENT_RUNTIME_BIND_TOKEN"';
  await Template.build(
    Template().fromTemplate('base').setStartCmd(`${isFree} && sleep 600`, isFree),
    'unpoolable',
    connection(),
  );
  await setPool('unpoolable', { min: 2 });
  await vi.waitFor(
    async () =>
      expect(await pool('unpoolable')).toMatchObject({ pausedUntil: expect.any(String), failures: 3 }),
    patience,
  );
  expect(await pool('unpoolable')).toMatchObject({
    ready: 0,
    lastError: expect.stringMatching(/start command/),
  });
  const cold = await Sandbox.create('unpoolable', connection());
  expect(await pool('unpoolable')).toMatchObject({ hits: 0, misses: 1 });
  await cold.kill();
  await untilReady('agent', 1);
  await setPool('unpoolable', { min: 0 });
});

test('a pool of no template, or of less at most than at least, is refused', async () => {
  expect((await setPool('nothing-like-it', { min: 1 })).status).toBe(404);
  expect((await setPool('base', { min: 2, max: 1 })).status).toBe(400);
  await expect(createSandboxHost({ pools: { base: { min: 2, max: 1 } } })).rejects.toThrow(/pools\.base/);
});
