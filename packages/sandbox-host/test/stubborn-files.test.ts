import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canIsolate } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox, Volume } from 'e2b';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { useHostProcesses } from './host-process.js';

/** Goes deeper than any path can lead (PATH_MAX), and closes what it has made, as `go mod download` does. */
const makeStubbornFiles = `set -e
mkdir -p go/pkg/mod/deep; touch go/pkg/mod/deep/file; chmod -R a-w go
perl -e 'for (1 .. 600) { mkdir "a-name-that-is-long" or die; chdir "a-name-that-is-long" or die }'`;

const entries = (...path: string[]): string[] => readdirSync(join(...path));

describe.skipIf(!canIsolate)('files that a program leaves, with everything enforced', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'stubborn-'));
  });
  afterEach(() => execFileSync('rm', ['-rf', dataDir]));

  test('keep no sandbox, volume or host from ending, nor the next host from starting', async () => {
    const host = await createSandboxHost({ dataDir, isolation: 'namespaces' });
    const { apiUrl, sandboxUrl, apiKey } = host;
    const connection = { apiUrl, sandboxUrl, apiKey };
    const volume = await Volume.create('deep', connection);
    const volumeMounts = { '/data': volume };
    const sandbox = await Sandbox.create('base', { ...connection, volumeMounts });
    await sandbox.commands.run(`${makeStubbornFiles}; cd /data; ${makeStubbornFiles}`, { user: 'root' });
    expect(await sandbox.kill()).toBe(true);
    expect(entries(dataDir, 'sandboxes')).toEqual([]);
    expect(await Volume.destroy(volume.volumeId, connection)).toBe(true);
    expect(entries(dataDir, 'volumes')).toEqual(['uploads']);
    expect(entries(dataDir, 'trash')).toEqual([]);
    const other = await Sandbox.create('base', connection);
    await other.commands.run(makeStubbornFiles, { user: 'root' });
    await host.close();
    expect(entries(dataDir, 'sandboxes')).toEqual([]);
    await (await createSandboxHost({ dataDir, isolation: 'namespaces' })).close();
  }, 120_000);

  test('that no record names are put aside with all that is in them', async () => {
    await (await createSandboxHost({ dataDir, isolation: 'none' })).close();
    for (const place of ['volumes/unknown', 'layers/unknown', 'sandboxes/unknown']) {
      mkdirSync(join(dataDir, place));
      execFileSync('sh', ['-c', makeStubbornFiles], { cwd: join(dataDir, place) });
    }
    mkdirSync(join(dataDir, 'layers/half.part/deep'), { recursive: true });
    await (await createSandboxHost({ dataDir, isolation: 'none' })).close();
    for (const place of ['volumes', 'layers', 'sandboxes']) {
      expect(entries(dataDir, place)).not.toContain('unknown');
      const [found = '', ...others] = entries(dataDir, 'lost+found', place);
      expect(others).toEqual([]);
      expect(entries(dataDir, 'lost+found', place, found, 'go/pkg/mod/deep')).toEqual(['file']);
    }
    expect(entries(dataDir, 'layers')).not.toContain('half.part');
  }, 120_000);
});

const ordinaryUser = { uid: 65534, gid: 65534 };
const isRoot = process.getuid?.() === 0;
/** Whether a user who may not do everything can be had here, and can run this program. */
const hasOrdinaryUser =
  process.platform === 'linux' &&
  (!isRoot ||
    spawnSync(process.execPath, ['-e', `require('fs').readdirSync(${JSON.stringify(import.meta.dirname)})`], {
      cwd: '/',
      ...ordinaryUser,
    }).status === 0);

describe('files that a program leaves to an ordinary user', () => {
  const hosts = useHostProcesses();
  const user = isRoot ? ordinaryUser : undefined;
  const start = async () => {
    const { dataDir } = hosts;
    if (user) chownSync(dataDir, user.uid, user.gid);
    const host = await hosts.start({ dataDir, isolation: 'none' }, "process.chdir('/')", user);
    return { ...host, dataDir };
  };

  test.skipIf(!hasOrdinaryUser)(
    'keep neither a sandbox from ending nor the next host from starting',
    async () => {
      const { connection, dataDir, kill } = await start();
      for (let round = 0; round < 2; round++) {
        const sandbox = await Sandbox.create('base', connection);
        await sandbox.commands.run(makeStubbornFiles);
        if (round === 0) expect(await sandbox.kill()).toBe(true);
      }
      expect(entries(dataDir, 'sandboxes')).toHaveLength(1);
      expect(entries(dataDir, 'trash')).toEqual([]);
      await kill();
      await start();
      expect(entries(dataDir, 'sandboxes')).toEqual([]);
      expect(entries(dataDir, 'trash')).toEqual([]);
    },
    120_000,
  );

  test.skipIf(!hasOrdinaryUser || !isRoot)(
    'are out of the way when they are not his to remove, and go when they are',
    async () => {
      const { connection, dataDir, kill } = await start();
      const { sandboxId } = await Sandbox.create('base', connection);
      const foreign = join(dataDir, 'sandboxes', sandboxId, 'foreign');
      mkdirSync(foreign);
      writeFileSync(join(foreign, 'file'), '');
      expect(await Sandbox.kill(sandboxId, connection)).toBe(true);
      expect(entries(dataDir, 'sandboxes')).toEqual([]);
      expect(entries(dataDir, 'trash')).toHaveLength(1);
      await kill();
      const next = await start();
      expect(entries(dataDir, 'trash')).toHaveLength(1);
      await next.kill();
      execFileSync('chown', ['-R', `${user?.uid}:${user?.gid}`, join(dataDir, 'trash')]);
      await start();
      await expect.poll(() => entries(dataDir, 'trash')).toEqual([]);
    },
    120_000,
  );
});
