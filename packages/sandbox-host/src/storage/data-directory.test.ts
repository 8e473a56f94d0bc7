import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownerTag } from '@sandpiper/sandbox-engine/owner';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { takeDataDirectory } from './data-directory.js';

let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'data-directory-'));
  vi.stubEnv('TMPDIR', temporary);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(temporary, { recursive: true });
});

const nothing = async (): Promise<void> => {};

const [pid, namespace] = ownerTag().split('-');
/** Beyond the largest number a process can have. */
const dead = `${2 ** 22 + 1}-${namespace}-1`;

test('a temporary directory is told by its name to be of a host that died, at whichever moment that was', async () => {
  const orphan = join(temporary, `sandpiper-host-${dead}-abcdef`);
  const foreign = ['sandpiper-host-notes', `sandpiper-host-${pid}-${Number(namespace) + 1}-1-abcdef`].map(
    (name) => join(temporary, name),
  );
  for (const path of [orphan, ...foreign]) await mkdir(path);
  const left: string[] = [];
  const other = await takeDataDirectory(undefined, async (path) => void left.push(path), console);
  const own = await takeDataDirectory(undefined, nothing, console);
  expect(existsSync(orphan)).toBe(false);
  // Not a host's, and of one whose number is counted elsewhere.
  expect(foreign.map(existsSync)).toEqual([true, true]);
  expect(existsSync(other.path)).toBe(true);
  expect(left).toEqual([orphan]);
  await other.release();
  await own.release();
  expect(existsSync(other.path) || existsSync(own.path)).toBe(false);
});

test('of many that take a directory at once one gets it, whichever had it before', async () => {
  const named = join(temporary, 'named');
  await mkdir(named);
  for (const before of [dead, 'nobody', `${pid}-${namespace}-1`]) {
    const turn = Math.max(0, ...readdirSync(named).map((name) => Number(name.split('.')[1])));
    await symlink(before, join(named, `owner.${turn + 1}`));
    let swept = 0;
    const taken = await Promise.allSettled(
      Array.from({ length: 20 }, () => takeDataDirectory(named, async () => void swept++, console)),
    );
    const got = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect([got.length, swept]).toEqual([1, 1]);
    await expect(takeDataDirectory(named, nothing, console)).rejects.toThrow(`in use by process ${pid};`);
    await got[0]?.release();
    expect(readdirSync(named)).toHaveLength(1);
  }
  await (await takeDataDirectory(named, nothing, console)).release();
});
