import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disksOf } from '@sandpiper/engine-linux/testing/traces';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { NotEnoughSpaceError, Sandbox, Template } from 'e2b';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';

// They wait for what a busy machine does.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const diskMB = 64;

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
