import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeTree } from './remove-tree.js';

const ordinaryUser = { uid: 65534, gid: 65534 };

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

test('removes a link and leaves what it leads to', async () => {
  await mkdir(join(place, 'one'));
  await symlink('one', join(place, 'link'));
  await removeTree(join(place, 'link'));
  expect(await readdir(place)).toEqual(['one']);
});

test('removes a directory of more names than are read at once', async () => {
  const tree = join(place, 'tree');
  for (const name of ['files', 'directories']) await mkdir(join(tree, name), { recursive: true });
  for (let index = 0; index < 300; index++) {
    await writeFile(join(tree, `files/${index}`), '');
    await mkdir(join(tree, `directories/${index}/deeper`), { recursive: true });
  }
  await removeTree(tree);
  expect(await readdir(place)).toEqual([]);
});

/** Makes a tree that no path leads to the end of (PATH_MAX), with a file and a second branch every hundred levels. */
const deepScript = `
my ($top, $levels) = @ARGV;
mkdir $top or die; chdir $top or die;
for my $level (1 .. $levels) {
  if ($level % 100 == 0) { open my $file, '>', 'file' or die; mkdir $_ for 'branch', 'branch/end' }
  mkdir 'a-longer-name' or die; chdir 'a-longer-name' or die;
}`;

test.skipIf(process.platform !== 'linux')(
  'removes a tree deeper than any path, with no more descriptors than for a shallow one',
  async () => {
    const tree = join(place, 'tree');
    execFileSync('perl', ['-e', deepScript, tree, '2500']);
    let most = 0;
    const count = setInterval(() => {
      most = Math.max(most, readdirSync('/proc/self/fd').length);
    }, 1);
    const before = readdirSync('/proc/self/fd').length;
    await removeTree(tree).finally(() => clearInterval(count));
    expect(await readdir(place)).toEqual([]);
    expect(most).toBeLessThan(before + 200);
  },
  60_000,
);

/** Runs the removal as a user who may not do everything. */
async function removeAsOrdinaryUser(tree: string): Promise<void> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { removeTree } from './remove-tree.js'; await removeTree(${JSON.stringify(tree)});`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  });
  execFileSync(process.execPath, ['--input-type=module', '-e', outputFiles[0]?.text ?? ''], {
    cwd: '/',
    ...(process.getuid?.() === 0 && ordinaryUser),
  });
}

test.skipIf(process.platform !== 'linux')(
  'opens directories that their owner has closed, as Go leaves them, and no others',
  async () => {
    const tree = join(place, 'tree');
    const script = `
      mkdir -p "$0/go/pkg/mod/deep" "$0/dark/deep"
      touch "$0/go/pkg/mod/file" "$0/go/pkg/mod/deep/file" "$0/dark/deep/file"
      chmod -R a-w "$0"; chmod 0 "$0/dark"`;
    execFileSync('sh', ['-c', script, tree]);
    execFileSync('perl', ['-e', deepScript, `${place}/deep`, '300']);
    execFileSync('chmod', ['-R', 'a-w', `${place}/deep`]);
    if (process.getuid?.() === 0) {
      const { uid, gid } = ordinaryUser;
      execFileSync('chown', ['-R', `${uid}:${gid}`, place]);
    }
    await removeAsOrdinaryUser(tree);
    await removeAsOrdinaryUser(join(place, 'deep'));
    expect(await readdir(place)).toEqual([]);
  },
  60_000,
);

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
