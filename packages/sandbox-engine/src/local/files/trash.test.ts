import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Trash } from './trash.js';

let place: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'trash-'));
});
afterEach(() => rm(place, { recursive: true, force: true }));

test('takes away what is there, and does nothing where nothing is', async () => {
  const trash = await Trash.open(join(place, 'trash'), console);
  await mkdir(join(place, 'thing/deep'), { recursive: true });
  await trash.remove(join(place, 'thing'));
  await trash.remove(join(place, 'thing'));
  await trash.close();
  expect(await readdir(place)).toEqual(['trash']);
  expect(await readdir(join(place, 'trash'))).toEqual([]);
});

test('removes what a host before it had begun to remove', async () => {
  await mkdir(join(place, 'trash/left/deep'), { recursive: true });
  const trash = await Trash.open(join(place, 'trash'), console);
  await trash.close();
  await expect.poll(() => readdir(join(place, 'trash'))).toEqual([]);
});

/** A file of a kind that not even root can remove, where this file system has it. */
function makeImmutable(path: string): boolean {
  try {
    execFileSync('chattr', ['+i', path], { stdio: 'ignore' });
  } catch {
    return false;
  }
  onTestFinished(() => {
    execFileSync('sh', ['-c', 'chattr -R -i "$0" 2>/dev/null || true', place]);
  });
  return true;
}

test('what cannot be removed is out of the way, reported, and removed when that can be done', async (context) => {
  const errors = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => errors.mockRestore());
  const thing = join(place, 'thing');
  await mkdir(join(thing, 'deep'), { recursive: true });
  await writeFile(join(thing, 'deep/file'), '');
  if (!makeImmutable(join(thing, 'deep/file'))) context.skip('no file can be made immutable here');
  const trash = await Trash.open(join(place, 'trash'), console);
  await trash.remove(thing);
  expect(await readdir(place)).toEqual(['trash']);
  expect(errors.mock.calls.join()).toContain(`${thing} cannot be removed: EPERM`);
  await trash.close();
  expect(await readdir(join(place, 'trash'))).toHaveLength(1);

  await (await Trash.open(join(place, 'trash'), console)).close();
  execFileSync('chattr', ['-R', '-i', join(place, 'trash')]);
  const next = await Trash.open(join(place, 'trash'), console);
  await expect.poll(() => readdir(join(place, 'trash'))).toEqual([]);
  await next.close();
});
