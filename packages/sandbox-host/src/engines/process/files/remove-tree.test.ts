import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeTree } from './remove-tree.js';

let place: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'remove-tree-'));
});
afterEach(() => rm(place, { recursive: true, force: true }));

test('removes a directory with all that is in it, and nothing that its links lead to', async () => {
  await mkdir(join(place, 'tree/deep/deeper'), { recursive: true });
  await mkdir(join(place, 'outside'));
  for (const file of ['tree/a', 'tree/deep/b', 'tree/deep/deeper/c', 'outside/kept'])
    await writeFile(join(place, file), '');
  await symlink(join(place, 'outside'), join(place, 'tree/deep/link'));
  await removeTree(join(place, 'tree'));
  await removeTree(join(place, 'tree'));
  expect(await readdir(place)).toEqual(['outside']);
  expect(await readdir(join(place, 'outside'))).toEqual(['kept']);
});

test('removes a link, and a file, but not more levels than it can hold open', async () => {
  await mkdir(join(place, 'one/two/three/four'), { recursive: true });
  await symlink('one', join(place, 'link'));
  await removeTree(join(place, 'link'));
  await expect(removeTree(join(place, 'one'), 3)).rejects.toThrow(/lie within each other/);
  expect(existsSync(join(place, 'one/two/three/four'))).toBe(true);
});

/** Puts a link in the place of a directory and takes it away again, without end. */
const swapScript = `
my ($directory, $outside) = @ARGV;
$| = 1; print "swapping\\n";
for (;;) {
  rename $directory, "$directory.away";
  symlink $outside, $directory;
  unlink $directory;
  mkdir "$directory.away"; rename "$directory.away", $directory;
}`;

test.skipIf(process.platform !== 'linux')(
  'follows no link that somebody puts in the place of a directory meanwhile',
  async () => {
    const outside = join(place, 'outside');
    await mkdir(outside);
    const names = Array.from({ length: 20 }, (_, index) => `kept-${index}`);
    for (const name of names) await writeFile(join(outside, name), '');
    await mkdir(join(place, 'tree'));
    const swapped = join(place, 'tree/swapped');
    const swapper = spawn('perl', ['-e', swapScript, swapped, outside], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(swapper.stdout, 'data');
    try {
      for (let round = 0; round < 60; round++) {
        await mkdir(swapped, { recursive: true }).catch(() => {});
        for (const name of names)
          await writeFile(join(place, `tree/swapped.away/${name}`), '').catch(() => {});
        // What it says of a tree that changes under its hands is of no interest.
        await removeTree(join(place, 'tree/swapped')).catch(() => {});
      }
    } finally {
      swapper.kill('SIGKILL');
      await once(swapper, 'close');
    }
    expect((await readdir(outside)).filter((name) => name.startsWith('kept-'))).toHaveLength(names.length);
  },
  60_000,
);
