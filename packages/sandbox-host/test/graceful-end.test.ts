import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesWith } from '@sandpiper/engine-linux/testing/traces';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox, Template, Volume, waitForTimeout, waitForURL } from 'e2b';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSandboxHost, type Isolation, type SandboxHost } from '../src/index.js';
import { bundleProgram } from './bundle-program.js';
import { useHostProcesses } from './host-process.js';

const hosts = useHostProcesses();
const ready = waitForURL('http://localhost:8080/ping', 200);
let program: string;
beforeAll(async () => {
  program = await bundleProgram('stopping-agent.ts');
});

/** Makes the templates of these tests: an agent that notes its end, under two start commands, and one that ignores signals. */
async function deploy(connection: { apiUrl: string; apiKey: string }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'graceful-end-'));
  try {
    await writeFile(join(folder, 'agent.mjs'), program);
    await writeFile(join(folder, 'package.json'), '{"scripts":{"start":"node agent.mjs"}}');
    const template = () =>
      Template({ fileContextPath: folder })
        .fromTemplate('base')
        .copy('agent.mjs', '.')
        .copy('package.json', '.');
    const stubborn = `trap "" TERM; while :; do sleep 0.1; done # stubborn-${process.pid}`;
    await Template.build(template().setStartCmd('node agent.mjs', ready), 'agent', connection);
    await Template.build(template().setStartCmd(stubborn, waitForTimeout(100)), 'stubborn', connection);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const suite = (isolation: Isolation) => {
  let host: SandboxHost;
  let folder: string;
  let made = 0;
  const connection = () => ({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'graceful-end-'));
    host = await createSandboxHost({ isolation, dataDir: join(folder, 'data') });
    await deploy(connection());
  }, 120_000);
  afterAll(async () => {
    await host?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A sandbox whose agent notes its end where that outlives it, and what it has noted. */
  async function start(
    template = 'agent',
    options: Parameters<typeof Sandbox.create>[1] = {},
  ): Promise<{ sandbox: Sandbox; noted: () => Promise<string | undefined> }> {
    if (isolation === 'none') {
      // Without namespaces there are no volumes, and nothing keeps a program from the machine's files.
      const place = join(folder, `kept-${made++}`);
      await mkdir(place);
      const file = join(place, 'log');
      const envs = { STOP_FILE: file };
      const sandbox = await Sandbox.create(template, { ...connection(), ...options, envs });
      return { sandbox, noted: async () => (existsSync(file) ? readFileSync(file, 'utf8') : undefined) };
    }
    const volume = await Volume.create(`kept-${made++}`, connection());
    const envs = { STOP_FILE: '/kept/log' };
    const volumeMounts = { '/kept': volume };
    const sandbox = await Sandbox.create(template, { ...connection(), ...options, envs, volumeMounts });
    return {
      sandbox,
      noted: async () => volume.readFile('/log', { apiUrl: host.apiUrl }).catch(() => undefined),
    };
  }

  const invoke = ({ sandboxId }: Sandbox, body: object, headers = {}) =>
    fetch(`${host.sandboxUrl}/invocations`, {
      method: 'POST',
      headers: { 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '8080', ...headers },
      body: JSON.stringify(body),
    });

  test('a kill lets an agent run its stop hooks, once, and does not wait any longer', async () => {
    const { sandbox, noted } = await start();
    // The gateway keeps the connection, which an agent that ends waits for.
    expect((await invoke(sandbox, {})).status).toBe(200);
    const begun = performance.now();
    expect(await sandbox.kill()).toBe(true);
    expect(performance.now() - begun).toBeLessThan(2_500);
    expect(await noted()).toBe('stopped\n');
    expect(await sandbox.kill()).toBe(false);
  });

  test('while an agent ends, its sandbox is not there for anybody', async () => {
    const { sandbox, noted } = await start();
    const killed = sandbox.kill();
    await vi.waitFor(async () => {
      await expect(Sandbox.getInfo(sandbox.sandboxId, connection())).rejects.toThrow(/not found/);
    });
    expect((await Sandbox.list(connection()).nextItems()).map((one) => one.sandboxId)).not.toContain(
      sandbox.sandboxId,
    );
    expect((await invoke(sandbox, {})).status).toBe(502);
    await killed;
    expect(await noted()).toBe('stopped\n');
  });

  test('a call that takes longer than its agent has does not keep the stop hooks from running', async () => {
    const { sandbox, noted } = await start();
    // With a key it goes on without its caller.
    const call = invoke(sandbox, { sleepMs: 60_000 }, { 'idempotency-key': 'long' }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const begun = performance.now();
    await sandbox.kill();
    expect(performance.now() - begun).toBeLessThan(6_500);
    expect(await noted()).toBe('stopped\n');
    await call;
  });

  test('an agent that was started by a command ends in the same way', async () => {
    const { sandbox, noted } = await start('base');
    await sandbox.files.write('agent.mjs', program);
    await sandbox.commands.run('node agent.mjs', { background: true, timeoutMs: 0 });
    await vi.waitFor(async () => expect((await invoke(sandbox, {})).status).toBe(200), { timeout: 20_000 });
    await sandbox.kill();
    expect(await noted()).toBe('stopped\n');
  });

  test('a paused sandbox goes on, so that its agent can end', async () => {
    const { sandbox, noted } = await start();
    await sandbox.pause();
    await Sandbox.kill(sandbox.sandboxId, connection());
    expect(await noted()).toBe('stopped\n');
  });

  test('a pause that keeps only the files lets the agent end first', async () => {
    const { sandbox, noted } = await start();
    await sandbox.pause({ keepMemory: false });
    expect(await noted()).toBe('stopped\n');
    await sandbox.kill();
    expect(await noted()).toBe('stopped\n');
  });

  test('a timeout lets the agent end, too', async () => {
    const { sandbox, noted } = await start('agent', { timeoutMs: 1_000 });
    await vi.waitFor(async () => expect(await noted()).toBe('stopped\n'), { timeout: 10_000 });
    await vi.waitFor(async () => expect(await sandbox.isRunning()).toBe(false), { timeout: 10_000 });
  });

  test('what ignores SIGTERM is killed when its time is over', async () => {
    const { sandbox } = await start('stubborn');
    const mark = `stubborn-${process.pid}`;
    expect(processesWith(mark)).not.toEqual([]);
    const begun = performance.now();
    await sandbox.kill();
    const elapsedMs = performance.now() - begun;
    expect(elapsedMs).toBeGreaterThan(4_900);
    expect(elapsedMs).toBeLessThan(8_000);
    expect(processesWith(mark)).toEqual([]);
  });

  test('a sandbox in which nothing was started ends at once, with a terminal too', async () => {
    const { sandbox } = await start('base');
    await sandbox.pty.create({ cols: 80, rows: 24, onData: () => {} });
    const begun = performance.now();
    await sandbox.kill();
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('the end of its host is the same for all sandboxes, at the same time', async () => {
    const own = await mkdtemp(join(tmpdir(), 'graceful-end-'));
    const other = await createSandboxHost({ isolation, stopGraceMs: 3_000 });
    try {
      const { apiUrl, sandboxUrl, apiKey } = other;
      await deploy({ apiUrl, apiKey });
      const envs = { STOP_FILE: isolation === 'none' ? join(own, 'log') : '/home/user/log' };
      await Sandbox.create('agent', { apiUrl, sandboxUrl, apiKey, envs });
      await Sandbox.create('stubborn', { apiUrl, sandboxUrl, apiKey });
      const begun = performance.now();
      await other.close();
      expect(performance.now() - begun).toBeLessThan(6_000);
      if (isolation === 'none') expect(readFileSync(join(own, 'log'), 'utf8')).toBe('stopped\n');
    } finally {
      await other.close();
      await rm(own, { recursive: true, force: true });
    }
  }, 60_000);
};

describeIsolated('the end of a sandbox, with namespaces', () => {
  suite('namespaces');

  test('a host that takes over from one that was killed lets agents end, paused ones too', async () => {
    const { dataDir } = hosts;
    const first = await hosts.start({ dataDir, isolation: 'namespaces' });
    await deploy(first.connection);
    const { connection, port } = first;
    const volume = await Volume.create('kept', connection);
    const volumeMounts = { '/kept': volume };
    const [running, paused] = await Promise.all(
      ['running', 'paused'].map((name) =>
        Sandbox.create('agent', { ...connection, volumeMounts, envs: { STOP_FILE: `/kept/${name}` } }),
      ),
    );
    await paused?.pause();
    await first.kill();
    const second = await createSandboxHost({ dataDir, port, isolation: 'namespaces' });
    try {
      const noted = (name: string) => volume.readFile(`/${name}`, { apiUrl: second.apiUrl });
      for (const sandbox of [running, paused]) await Sandbox.kill(sandbox?.sandboxId ?? '', connection);
      expect(await noted('running')).toBe('stopped\n');
      expect(await noted('paused')).toBe('stopped\n');
    } finally {
      await second.close();
    }
  }, 120_000);
});

describe('the end of a sandbox, without namespaces', () => suite('none'));
