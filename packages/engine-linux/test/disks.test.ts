import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineSandbox, Limits } from '@sandpiper/sandbox-engine/engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { runIn, smallLimits } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startLinuxEngine } from '../src/linux-engine.js';
import { disksOf } from '../src/testing/traces.js';

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
    engine = await startLinuxEngine({ logger: console, directory });
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

describeIsolated('an engine without mke2fs', () => {
  test('says why there are none, and goes on with what has no disk when it is there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'disks-'));
    const tools = await mkdtemp(join(tmpdir(), 'tools-'));
    const network = { internet: false, allowOut: [], denyOut: [] };
    try {
      await writeFile(join(tools, 'mke2fs'), '#!/bin/sh\necho broken >&2; exit 1\n', { mode: 0o755 });
      vi.stubEnv('PATH', `${tools}:${process.env.PATH}`);
      const without = await startLinuxEngine({ logger: console, directory, keepSandboxes: true });
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

      const engine = await startLinuxEngine({ logger: console, directory, keepSandboxes: true });
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
