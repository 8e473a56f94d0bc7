import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test('a temporary directory is told by its name to be of a host that died, at whichever moment that was', async () => {
  // Beyond the largest number a process can have.
  const orphan = join(temporary, `sandpiper-host-${2 ** 22 + 1}-abcdef`);
  const foreign = join(temporary, 'sandpiper-host-notes');
  await mkdir(orphan);
  await mkdir(foreign);
  const left: string[] = [];
  const other = await takeDataDirectory(undefined, async (path) => void left.push(path));
  const own = await takeDataDirectory(undefined, nothing);
  expect(existsSync(orphan)).toBe(false);
  expect(existsSync(foreign)).toBe(true);
  expect(existsSync(other.path)).toBe(true);
  expect(left).toEqual([orphan]);
  await other.release();
  await own.release();
  expect(existsSync(other.path) || existsSync(own.path)).toBe(false);
});
