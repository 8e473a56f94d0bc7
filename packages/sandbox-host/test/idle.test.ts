import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { describeHosts } from './with-host.js';

/** Longer than a request takes on a busy machine, and short enough to wait for. */
const idleMs = 3_000;

interface Explained {
  state: string;
  idle: boolean;
  holders: { kind: string; what: string; since: string }[];
  next?: { action: string; cause: string; at: string };
  leftMs: number;
}

describeHosts('an idle policy', (fixture) => {
  const call = (sandbox: Sandbox, path: string, method = 'GET', body?: unknown) =>
    fetch(`${fixture.connection.apiUrl}/x/sandboxes/${sandbox.sandboxId}/${path}`, {
      method,
      headers: { 'x-api-key': fixture.connection.apiKey },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const explain = async (sandbox: Sandbox): Promise<Explained> => {
    const response = await call(sandbox, 'explain');
    return (await response.json()) as Explained;
  };
  const stateOf = async (sandbox: Sandbox) => (await explain(sandbox)).state;

  test('is none unless one was asked for: what happens next is the timeout', async () => {
    const sandbox = await fixture.create();
    const { state, idle, holders, next } = await explain(sandbox);
    expect({ state, idle, holders }).toEqual({ state: 'running', idle: true, holders: [] });
    expect(next).toMatchObject({ action: 'kill', cause: 'timeout' });
    await sandbox.kill();
    expect((await call(sandbox, 'explain')).status).toBe(404);
  });

  test('does not strike while a command runs, and pauses when it has ended; a request then wakes it', async () => {
    const sandbox = await fixture.create();
    expect((await call(sandbox, 'idle', 'POST', { idleMs, action: 'pause' })).status).toBe(204);
    const command = sandbox.commands.run(`sleep ${(idleMs / 1000) * 2}; echo done`, { timeoutMs: 0 });
    await expect
      .poll(async () => (await explain(sandbox)).holders[0]?.what, { timeout: 15_000 })
      .toBe('POST /process.Process/Start');
    expect((await command).stdout).toBe('done\n');
    // Whatever else had held it: it ran to its end.
    await expect.poll(() => stateOf(sandbox), { timeout: 30_000 }).toBe('paused');
    expect((await sandbox.commands.run('echo awake')).stdout).toBe('awake\n');
    await sandbox.kill();
  }, 60_000);

  test('takes the word of an agent that is at work', async () => {
    const sandbox = await fixture.create();
    const agent = `let status = 'HealthyBusy';
      require('http').createServer((request, response) => {
        if (request.url === '/rest') status = 'Healthy';
        response.end(JSON.stringify({ status }));
      }).listen(8080, () => console.log('up'));`;
    await sandbox.files.write('agent.js', agent);
    await sandbox.commands.run('node agent.js > log 2>&1 & until grep -q up log; do sleep 0.05; done');
    await call(sandbox, 'idle', 'POST', { idleMs: 1_000, action: 'kill' });
    await expect
      .poll(async () => (await explain(sandbox)).holders, { timeout: 15_000 })
      .toEqual([expect.objectContaining({ kind: 'agent' })]);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await stateOf(sandbox)).toBe('running');
    const rest = await fetch(`${fixture.host.sandboxUrl}/rest`, {
      headers: { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' },
    });
    expect(rest.status).toBe(200);
    await expect.poll(async () => (await call(sandbox, 'explain')).status, { timeout: 30_000 }).toBe(404);
  }, 60_000);

  test('is refused where it makes no sense, and taken back', async () => {
    const sandbox = await fixture.create();
    expect((await call(sandbox, 'idle', 'POST', { idleMs: 10 })).status).toBe(400);
    expect((await call(sandbox, 'idle', 'POST', { idleMs: 5_000, action: 'sing' })).status).toBe(400);
    await call(sandbox, 'idle', 'POST', { idleMs: 5_000, action: 'pause' });
    expect((await explain(sandbox)).next).toMatchObject({ cause: 'idle', action: 'pause' });
    await call(sandbox, 'idle', 'POST', { idleMs: 0 });
    expect((await explain(sandbox)).next).toMatchObject({ cause: 'timeout' });
    await sandbox.kill();
  });

  test('of hibernation leaves a sandbox that goes on where it was', async () => {
    const sandbox = await fixture.create();
    await sandbox.commands.run('sleep 0.1; echo kept > file');
    const response = await call(sandbox, 'hibernate', 'POST');
    const { hibernate } = fixture.host.capabilities;
    expect(await response.json()).toEqual({
      state: hibernate.level === 'absent' ? 'paused' : 'hibernated',
    });
    expect((await sandbox.getInfo()).state).toBe('paused');
    expect((await sandbox.commands.run('cat file')).stdout).toBe('kept\n');
    await sandbox.kill();
  });
});

describe('a host that bounds the age of its sandboxes', () => {
  let host: SandboxHost;
  beforeAll(async () => {
    host = await createSandboxHost({ isolation: 'none', maxAgeMs: 12_000 });
  });
  afterAll(() => host.close());

  test('refuses longer timeouts, cuts them short, and ends the old ones, also when they are paused', async () => {
    const { Sandbox: Sdk } = await import('e2b');
    const { apiUrl, apiKey, sandboxUrl } = host;
    const connection = { apiUrl, apiKey, sandboxUrl };
    await expect(Sdk.create('base', { ...connection, timeoutMs: 13_000 })).rejects.toThrow(
      /13 s is longer than the 12 s/,
    );
    const sandbox = await Sdk.create('base', { ...connection, timeoutMs: 11_000 });
    await sandbox.setTimeout(60_000);
    const { startedAt, endAt } = await sandbox.getInfo();
    expect(endAt.getTime() - startedAt.getTime()).toBeLessThanOrEqual(12_000);
    await sandbox.pause();
    await expect.poll(() => Sdk.list(connection).nextItems(), { timeout: 30_000, interval: 200 }).toEqual([]);
  }, 60_000);
});
