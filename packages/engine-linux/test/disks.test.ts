import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { disksOf } from '@sandpiper/engine-linux/testing/traces';
import type { EngineSandbox, Limits } from '@sandpiper/sandbox-engine/engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { runIn, smallLimits } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { NotEnoughSpaceError, Sandbox, Template } from 'e2b';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openEngine } from '../src/host/open-engine.js';
import { createSandboxHost, type SandboxHost } from '../src/index.js';

// They wait for what a busy machine does.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const diskMB = 64;

describeIsolated('the disk of a sandbox', () => {
  let directory: string;
  let engine: LocalEngine;
  const sandboxes: EngineSandbox[] = [];
  let started = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'disks-'));
    engine = await openEngine({ logger: console, directory });
  });
  afterAll(async () => {
    await Promise.all(sandboxes.map((one) => one.destroy()));
    await engine.close();
    expect(disksOf(directory)).toEqual([]);
    await rm(directory, { recursive: true, force: true });
  });

  async function start({
    id = `disk${++started}`,
    image = engine.baseImage,
    limits = { diskMB } as Partial<Limits>,
  } = {}): Promise<{ id: string; sandbox: EngineSandbox }> {
    const sandbox = await engine.start(id, image, {
      limits: { ...smallLimits, ...limits },
      network: { internet: false, allowOut: [], denyOut: [] },
    });
    sandboxes.push(sandbox);
    return { id, sandbox };
  }
  const imageOf = (id: string): string => join(directory, 'sandboxes', id, 'disk.img');
  /** What a disk takes of the machine's. */
  const bytesOf = async (id: string): Promise<number> => (await stat(imageOf(id))).blocks * 512;
  const disksOfOne = (id: string): string[] => disksOf(join(directory, 'sandboxes', id));

  test.each(['user', 'root'] as const)('is full at its limit for %s, and others go on', async (user) => {
    const { id, sandbox } = await start();
    const { sandbox: other } = await start();
    expect(sandbox.limits.diskMB).toBe(diskMB);
    const filled = await runIn(sandbox, 'dd if=/dev/zero of=/var/tmp/fill bs=1M count=200', user);
    expect(filled.code).toBe(1);
    expect(filled.output).toContain('No space left on device');
    expect(await bytesOf(id)).toBeLessThanOrEqual((diskMB + 1) * 2 ** 20);
    const { diskUsedBytes, diskTotalBytes } = await sandbox.stats();
    expect(diskTotalBytes).toBeLessThanOrEqual(diskMB * 2 ** 20);
    expect(diskTotalBytes).toBeGreaterThan(diskMB * 0.95 * 2 ** 20);
    expect(diskUsedBytes).toBeGreaterThan(diskTotalBytes * 0.95);
    const kept = await runIn(other, 'dd if=/dev/zero of=/var/tmp/fill bs=1M count=40 && echo kept');
    expect(kept.output).toContain('kept');
  });

  test('has room for so many files and no more', async () => {
    const { sandbox } = await start();
    const script = 'perl -e \'for (1 .. 20000) { open my $f, ">", "/tmp/$_" or print("$_ $!") && last }\'';
    const { output } = await runIn(sandbox, script);
    expect(output).toMatch(/^\d+ No space left on device$/);
    expect(Number.parseInt(output, 10)).toBeLessThanOrEqual((diskMB * 2 ** 20) / 16_384);
    // With room for contents left, it is files that it has no more room for.
    expect((await runIn(sandbox, 'rm -f /tmp/1?? && echo room > /tmp/again && cat /tmp/again')).output).toBe(
      'room\n',
    );
  });

  test('has room again for what was removed, and so has the machine', async () => {
    const { id, sandbox } = await start();
    const fill = 'head -c 50M /dev/urandom > /tmp/fill && sync -f /tmp/fill';
    for (let times = 0; times < 3; times++) {
      expect((await runIn(sandbox, fill)).code).toBe(0);
      // Volatile changes need not reach the machine's disk at once.
      await runIn(sandbox, 'rm /tmp/fill');
      expect(await bytesOf(id)).toBeLessThan(5 * 2 ** 20);
    }
  });

  test('is written past by the files API neither, which says so', async () => {
    const { sandbox } = await start();
    await runIn(sandbox, 'dd if=/dev/zero of=/tmp/fill bs=1M');
    const writing = sandbox.files.write('/home/user/a', Readable.from([Buffer.alloc(2 ** 20)]), 'user');
    await expect(writing).rejects.toMatchObject({ status: 507 });
    expect((await runIn(sandbox, 'ls /home/user')).output).toBe('');
    await sandbox.files.remove('/tmp/fill');
    await sandbox.files.write('/home/user/a', Readable.from([Buffer.alloc(2 ** 20)]), 'user');
  });

  test('keeps what is on it for the next start, at its old size, also when it was full', async () => {
    const { id, sandbox } = await start();
    await runIn(
      sandbox,
      'echo first > /home/user/one; ln -s one /home/user/link; dd if=/dev/zero of=/tmp/fill bs=1M',
    );
    for (let times = 0; times < 2; times++) {
      await sandbox.destroy({ keepFiles: true });
      expect(disksOfOne(id)).toEqual([]);
    }
    const { sandbox: again } = await start({ id, limits: { diskMB: 500 } });
    expect(again.limits.diskMB).toBe(diskMB);
    expect((await runIn(again, 'cat /home/user/link; head -c 4M /dev/zero >> /tmp/fill')).output).toMatch(
      /^first\n.*No space left on device/s,
    );
    await again.destroy();
    expect(existsSync(imageOf(id))).toBe(false);
    expect(disksOfOne(id)).toEqual([]);
  });

  test('is not mounted a second time while somebody still reads from it', async () => {
    const { id, sandbox } = await start();
    await runIn(sandbox, `head -c 8M /dev/zero | tr '\\0' x > /tmp/large`);
    const content = (await sandbox.files.read('/tmp/large')).stream();
    const chunks = content[Symbol.asyncIterator]();
    await chunks.next();
    await sandbox.destroy({ keepFiles: true });
    expect(disksOfOne(id)).toHaveLength(1);
    const starting = start({ id });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(disksOfOne(id)).toHaveLength(1);
    content.destroy();
    const { sandbox: again } = await starting;
    expect((await runIn(again, 'wc -c < /tmp/large')).output).toBe(`${8 * 2 ** 20}\n`);
    expect(disksOfOne(id)).toHaveLength(1);
  });

  test('is kept as an image with owners, removals and holes', async () => {
    const { id, sandbox } = await start();
    await runIn(sandbox, 'echo mine > /home/user/mine; truncate -s 1T /home/user/hole; chmod 711 /home/user');
    await runIn(sandbox, 'rmdir /srv', 'root');
    await sandbox.freeze();
    const image = await sandbox.checkpoint();
    await sandbox.thaw();
    await sandbox.destroy();
    expect(disksOfOne(id)).toEqual([]);
    const { sandbox: next } = await start({ image });
    const { output } = await runIn(
      next,
      'cat /home/user/mine; ls -d /srv; stat -c "%U %a" /home/user; stat -c %s,%b /home/user/hole; echo 2 >> /home/user/mine',
    );
    expect(output).toMatch(/^mine\nuser 711\n1099511627776,0\nls: cannot access '\/srv'/);
    await engine.removeImage(image, []);
  });

  test('leaves nothing when the sandbox is killed from outside', async () => {
    const { id, sandbox } = await start();
    await runIn(sandbox, 'head -c 30M /dev/zero > /tmp/dirty');
    expect(disksOfOne(id)).toHaveLength(1);
    // Nobody outside sees what is mounted.
    expect(disksOfOne(id)[0]).toContain('loop');
    const { pid } = JSON.parse(await readFile(join(directory, 'sandboxes', id, 'supervisor.json'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await sandbox.lost;
    await sandbox.destroy();
    expect(disksOfOne(id)).toEqual([]);
  });

  test('takes more than a sandbox has memory for, and gives it back as it was', async () => {
    const { sandbox } = await start({ limits: { diskMB: 256, memoryMB: 32 } });
    const script =
      'head -c 150M /dev/urandom | tee /tmp/large | sha256sum; sync -f /tmp; sha256sum < /tmp/large';
    const { output, ...status } = await runIn(sandbox, script);
    expect(status.code).toBe(0);
    const [written, read] = output.split('\n');
    expect(read).toBe(written);
    expect((await sandbox.stats()).oomKills).toBe(0);
  });

  test('is 10 GB where nothing else is said, and takes next to nothing of the machine', async () => {
    const { id, sandbox } = await start({ limits: {} });
    expect(sandbox.limits.diskMB).toBe(10_240);
    expect(await bytesOf(id)).toBeLessThan(2 ** 20);
  });

  test('is never larger than what the machine has', async () => {
    const { sandbox } = await start({ limits: { diskMB: 8 * 2 ** 20 } });
    expect(sandbox.limits.diskMB).toBeLessThan(8 * 2 ** 20);
  });
});

describeIsolated('a host with disks', () => {
  let host: SandboxHost;
  let dataDir: string;
  let connection: { apiUrl: string; sandboxUrl: string; apiKey: string };
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'disks-'));
    host = await createSandboxHost({ dataDir });
    connection = { apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey };
    await Template.build(Template().fromTemplate('base').runCmd('echo built > file'), 'small', connection);
    await describeTemplate('small', { limits: { diskMB }, requires: { disk: 'enforced' } });
  });
  afterAll(async () => {
    await host.close();
    expect(disksOf(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true, force: true });
  });

  const ask = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(`${host.apiUrl}${path}`, {
      method,
      headers: { 'X-API-KEY': host.apiKey, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  async function describeTemplate(name: string, metadata: unknown): Promise<void> {
    expect((await ask('PUT', `/x/templates/${name}/metadata`, metadata)).ok).toBe(true);
  }
  const infoOf = async (sandbox: Sandbox): Promise<Record<string, unknown>> =>
    (await (await ask('GET', `/sandboxes/${sandbox.sandboxId}`)).json()) as Record<string, unknown>;

  test('gives sandboxes what their template says, and tells and measures that', async () => {
    const sandbox = await Sandbox.create('small', connection);
    expect(await infoOf(sandbox)).toMatchObject({ diskSizeMB: diskMB, limits: { diskMB } });
    expect(host.capabilities.disk.level).toBe('enforced');
    const [metrics] = await sandbox.getMetrics();
    expect(metrics?.diskTotal).toBeLessThanOrEqual(diskMB * 2 ** 20);
    await sandbox.files.write('first', new Blob([Buffer.alloc(20e6)]));
    const after = (await sandbox.getMetrics()).at(-1);
    expect((after?.diskUsed ?? 0) - (metrics?.diskUsed ?? 0)).toBeGreaterThan(19e6);

    const writing = sandbox.files.write('second', new Blob([Buffer.alloc(80e6)]));
    await expect(writing).rejects.toBeInstanceOf(NotEnoughSpaceError);
    expect((await sandbox.files.list('.')).map(({ name }) => name)).not.toContain('second');
    await sandbox.files.remove('first');
    await sandbox.files.write('second', 'fits');

    // Its forks and snapshots are held to the same.
    const fork = (await sandbox.fork())[0] as Sandbox;
    expect(await fork.files.read('second')).toBe('fits');
    expect(await infoOf(fork)).toMatchObject({ limits: { diskMB } });
    const { snapshotId } = await sandbox.createSnapshot();
    const next = await Sandbox.create(snapshotId, connection);
    expect(await infoOf(next)).toMatchObject({ limits: { diskMB } });
    await Promise.all([sandbox, fork, next].map((one) => one.kill()));
    await Sandbox.deleteSnapshot(snapshotId, connection);
  });

  test('keeps disks through every kind of pause', async () => {
    const sandbox = await Sandbox.create('small', connection);
    await sandbox.commands.run('head -c 30M /dev/zero > zeros; sha256sum zeros > sum');
    for (const keepMemory of [true, false, true]) {
      await sandbox.pause({ keepMemory });
      expect(disksOf(join(dataDir, 'sandboxes', sandbox.sandboxId))).toHaveLength(keepMemory ? 1 : 0);
      await sandbox.connect();
      expect((await sandbox.commands.run('sha256sum -c sum')).exitCode).toBe(0);
      expect(await infoOf(sandbox)).toMatchObject({ limits: { diskMB } });
    }
    await sandbox.kill();
    expect(disksOf(join(dataDir, 'sandboxes', sandbox.sandboxId))).toEqual([]);
  });

  test('builds on a disk of the size that was asked for', async () => {
    const asked = await ask('POST', '/v3/templates', { name: 'filled', diskSizeMB: 64 });
    const { templateID, buildID } = (await asked.json()) as { templateID: string; buildID: string };
    const steps = [{ type: 'RUN', args: ['head -c 100M /dev/zero > file'] }];
    await ask('POST', `/v2/templates/${templateID}/builds/${buildID}`, { fromTemplate: 'base', steps });
    const status = async (): Promise<string> =>
      (await ask('GET', `/templates/${templateID}/builds/${buildID}/status`)).text();
    await expect.poll(status, { timeout: 30_000 }).toContain('No space left on device');
    expect(JSON.parse(await status())).toMatchObject({ status: 'error' });
    expect((await ask('POST', '/v3/templates', { name: 'tiny', diskSizeMB: 1 })).status).toBe(400);
    expect((await ask('PUT', '/x/templates/small/metadata', { limits: { diskMB: '9' } })).status).toBe(400);
  });
});

describeIsolated('an engine without mke2fs', () => {
  test('says why there are none, and goes on with what has no disk when it is there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'disks-'));
    const tools = await mkdtemp(join(tmpdir(), 'tools-'));
    const network = { internet: false, allowOut: [], denyOut: [] };
    try {
      await writeFile(join(tools, 'mke2fs'), '#!/bin/sh\necho broken >&2; exit 1\n', { mode: 0o755 });
      vi.stubEnv('PATH', `${tools}:${process.env.PATH}`);
      const without = await openEngine({ logger: console, directory, keepSandboxes: true });
      vi.unstubAllEnvs();
      expect(without.capabilities.disk).toMatchObject({
        level: 'absent',
        reason: expect.stringContaining('mke2fs does not run (broken)'),
      });
      expect(without.capabilities.limits.level).toBe('enforced');
      const start = (engine: LocalEngine): Promise<EngineSandbox> =>
        engine.start('undisked', engine.baseImage, { limits: smallLimits, network });
      const sandbox = await start(without);
      expect(sandbox.limits.diskMB).toBeUndefined();
      await runIn(sandbox, 'echo kept > /home/user/file');
      await sandbox.destroy({ keepFiles: true });
      await without.close();

      const engine = await openEngine({ logger: console, directory, keepSandboxes: true });
      const again = await start(engine);
      expect(again.limits.diskMB).toBeUndefined();
      expect((await runIn(again, 'cat /home/user/file')).output).toBe('kept\n');
      await again.destroy();
      await engine.close();
    } finally {
      vi.unstubAllEnvs();
      for (const made of [directory, tools]) await rm(made, { recursive: true, force: true });
    }
  });
});

describe('a host without namespaces', () => {
  test('says that disks are not limited, and refuses what requires it', async () => {
    await using host = await createSandboxHost({ isolation: 'none' });
    const { apiUrl, sandboxUrl, apiKey } = host;
    const connection = { apiUrl, sandboxUrl, apiKey };
    expect(host.capabilities.disk).toEqual({
      level: 'absent',
      reason: "what sandboxes keep lies on the machine's disk: it was not asked for",
    });
    const sandbox = await Sandbox.create(connection);
    const [metrics] = await sandbox.getMetrics();
    expect(metrics?.diskTotal).toBeGreaterThan(metrics?.diskUsed ?? Number.POSITIVE_INFINITY);
    await Template.build(Template().fromTemplate('base'), 'needy', connection);
    await fetch(`${apiUrl}/x/templates/needy/metadata`, {
      method: 'PUT',
      headers: { 'X-API-KEY': apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ requires: { disk: 'enforced' } }),
    });
    await expect(Sandbox.create('needy', connection)).rejects.toThrow(/requires disk to be enforced/);
  });
});
