import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canIsolate, isolationObstacle, unless } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { describe, expect, test, vi } from 'vitest';
import type { Isolation } from '../src/index.js';
import { useHostProcesses } from './host-process.js';
import { describeHosts } from './with-host.js';

vi.setConfig({ testTimeout: 60_000 });

const setAttribute = "import os, sys; os.setxattr(sys.argv[1], 'user.e2b.seen', 'ü=\\n'.encode())";
const hasPerl = spawnSync('perl', ['-e', '1']).status === 0;
const hasPython = spawnSync('python3', ['-c', '1']).status === 0;
const obstacle = process.platform !== 'linux' ? 'no Linux' : hasPerl ? attributesObstacle() : 'no Perl';

/** Of the file system of temporary files: those of memory have them since Linux 6.6. */
function attributesObstacle(): string | undefined {
  if (!hasPython) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'attributes-'));
  try {
    writeFileSync(join(directory, 'file'), '');
    execFileSync('python3', ['-c', setAttribute, join(directory, 'file')], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'the file system of temporary files has no extended attributes';
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.skipIf(obstacle)(`metadata of files${unless(obstacle)}`, () => {
  describeHosts('as E2B has it', (fixture) => {
    const metadataOf = async (sandbox: Sandbox, path: string) => (await sandbox.files.getInfo(path)).metadata;

    test('is shown where the file is, wherever it is moved, until it is written again', async () => {
      const sandbox = await fixture.create();
      const { files } = sandbox;
      const written = await files.write('note.txt', 'a', { metadata: { Author: 'me', empty: '' } });
      expect(written.metadata).toEqual({ author: 'me', empty: '' });
      await files.rename('note.txt', 'moved.txt');
      await sandbox.commands.run('mkdir sub && mv moved.txt sub/again.txt && ln -s sub/again.txt link');
      for (const path of ['sub/again.txt', 'link'])
        expect(await metadataOf(sandbox, path)).toEqual({ author: 'me', empty: '' });
      const [listed] = await files.list('sub');
      expect(listed?.metadata).toEqual({ author: 'me', empty: '' });
      await files.write('sub/again.txt', 'b', { metadata: { other: '1' } });
      expect(await metadataOf(sandbox, 'sub/again.txt')).toEqual({ other: '1' });
      await files.write('sub/again.txt', 'c');
      expect(await metadataOf(sandbox, 'sub/again.txt')).toBeUndefined();
      await sandbox.kill();
    });

    test('goes along into forks, snapshots and pauses that keep only files', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.write('note.txt', 'a', { metadata: { author: 'me' } });
      const { snapshotId } = await sandbox.createSnapshot();
      const [fork] = await sandbox.fork();
      if (!(fork instanceof fixture.sdk.Sandbox)) throw fork;
      await sandbox.pause({ keepMemory: false });
      await sandbox.connect();
      const fromSnapshot = await fixture.create(snapshotId);
      for (const one of [sandbox, fork, fromSnapshot]) {
        expect(await metadataOf(one, 'note.txt')).toEqual({ author: 'me' });
        await one.kill();
      }
    });

    test.skipIf(!hasPython)('is what programs in the sandbox say, too', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.write('note.txt', 'a', { metadata: { author: 'me' } });
      await sandbox.files.write('set.py', setAttribute);
      await sandbox.commands.run('python3 set.py note.txt && mkdir sub && python3 set.py sub');
      expect(await metadataOf(sandbox, 'note.txt')).toEqual({ author: 'me', seen: 'ü=\n' });
      expect(await metadataOf(sandbox, 'sub')).toEqual({ seen: 'ü=\n' });
      const shown = await sandbox.commands.run(
        `python3 -c "import os; print(os.getxattr('note.txt', 'user.e2b.author').decode())"`,
      );
      expect(shown.stdout).toBe('me\n');
      await sandbox.kill();
    });

    test('is as long as E2B allows, and refused beyond that', async () => {
      const sandbox = await fixture.create();
      const { files } = sandbox;
      const key = 'k'.repeat(246);
      const most = 4096 - 'user.e2b.'.length - key.length;
      const refusal = (metadata: Record<string, string>) =>
        files.write('refused.txt', 'a', { metadata }).then(
          () => 'accepted',
          (error: unknown) => String(error),
        );
      expect(await refusal({ [`${key}k`]: '' })).toMatch(/metadata key "k+".* has 247 bytes; at most 246/);
      expect(await refusal({ [key]: 'v'.repeat(most + 1) })).toMatch(/has 4097 bytes.*at most 4096/);
      expect(await refusal({ a: 'tab\there' })).toMatch(/"a".*printable ASCII|InvalidArgument/);
      expect(await files.exists('refused.txt')).toBe(false);
      await files.write('long.txt', 'a', { metadata: { [key]: 'v'.repeat(3_000) } });
      expect(await metadataOf(sandbox, 'long.txt')).toEqual({ [key]: 'v'.repeat(3_000) });
      await sandbox.kill();
    });
  });

  describe.each<Isolation>(['namespaces', 'none'])(
    'after the end of its host (isolation: %s)',
    (isolation) => {
      const hosts = useHostProcesses();
      const skipped = isolation === 'namespaces' && !canIsolate;

      test.skipIf(skipped)(`is there still${unless(skipped ? isolationObstacle : undefined)}`, async () => {
        const options = { dataDir: hosts.dataDir, isolation };
        const before = await hosts.start(options);
        const sandbox = await Sandbox.create('base', { ...before.connection, timeoutMs: 600_000 });
        await sandbox.files.write('note.txt', 'a', { metadata: { author: 'me' } });
        await sandbox.pause({ keepMemory: false });
        // What reads and writes it is one process of the host's, and ends with it.
        const [helper, ...more] = childrenOf(before.child.pid).filter((pid) =>
          commandOf(pid).includes('user.e2b.'),
        );
        expect([helper, ...more]).toEqual([expect.any(Number)]);
        await before.kill();
        await expect.poll(() => commandOf(helper)).toBe('');
        const { connection } = await hosts.start(options);
        const again = await Sandbox.connect(sandbox.sandboxId, connection);
        expect((await again.files.getInfo('note.txt')).metadata).toEqual({ author: 'me' });
      });
    },
  );
});

function childrenOf(pid: number | undefined): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Empty when it has ended. */
function commandOf(pid: number | undefined): string {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
