import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './is-alive.js';

/** Temporary ones are named after their owner from the first moment on: `sandpiper-host-<pid>-<random>`. */
const prefix = 'sandpiper-host-';
/** Says whose a named one is. */
const ownerFile = 'owner.pid';

/** Where a host keeps what it has, and whether that ends with it. */
export interface DataDirectory {
  path: string;
  /** Gives the directory back: removed when it was temporary, else free for the next host. */
  release(): Promise<void>;
}

/**
 * Takes a directory for one host, a temporary one when none is named. Temporary ones whose host has died are
 * removed on this occasion.
 *
 * @param endLeftovers - Ends what a host that died has left running, told by its directory.
 * @throws Error when another living host has it.
 */
export async function takeDataDirectory(
  named: string | undefined,
  endLeftovers: (path: string) => Promise<void>,
): Promise<DataDirectory> {
  if (named === undefined) {
    await sweepTemporary(endLeftovers);
    const path = await realpath(await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`)));
    return {
      path,
      release: () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }),
    };
  }
  await mkdir(named, { recursive: true });
  const path = await realpath(named);
  const owner = await livingOwner(path);
  if (owner !== undefined) {
    throw new Error(
      `The data directory ${named} is in use by process ${owner}; give this host another dataDir.`,
    );
  }
  await endLeftovers(path);
  await writeFile(join(path, ownerFile), String(process.pid));
  return {
    path,
    release: () => rm(join(path, ownerFile), { force: true }),
  };
}

async function sweepTemporary(endLeftovers: (path: string) => Promise<void>): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    if (!name.startsWith(prefix)) continue;
    const path = join(tmpdir(), name);
    const owner = Number.parseInt(name.slice(prefix.length), 10);
    if (Number.isNaN(owner) || isAlive(owner)) continue;
    await endLeftovers(path);
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

async function livingOwner(path: string): Promise<number | undefined> {
  const pid = Number(await readFile(join(path, ownerFile), 'utf8').catch(() => ''));
  return isAlive(pid) ? pid : undefined;
}
