import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { removeBusyTree, removeTree } from '@sandpiper/sandbox-engine/local/files/remove-tree';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { ownerTag, ownerTagPattern, stateOfOwner } from '@sandpiper/sandbox-engine/owner';

/** Temporary ones are named after their owner from the first moment on: `sandpiper-host-<owner>-<random>`. */
const prefix = 'sandpiper-host-';
const temporaryName = new RegExp(`^${prefix}(${ownerTagPattern})-`);
/** Says whose a named one is. The links are numbered, and the highest counts: a number is given only once. */
const ownerLink = /^owner\.(\d+)$/;

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
  logger: Logger,
): Promise<DataDirectory> {
  if (named === undefined) {
    await sweepTemporary(endLeftovers, logger);
    const path = await realpath(await mkdtemp(join(tmpdir(), `${prefix}${ownerTag()}-`)));
    return {
      path,
      release: () => removeTemporary(path, logger),
    };
  }
  await mkdir(named, { recursive: true });
  const path = await realpath(named);
  const turn = await takeTurn(path, named);
  try {
    await endLeftovers(path);
  } catch (error) {
    await giveTurn(path, turn);
    throw error;
  }
  return { path, release: () => giveTurn(path, turn) };
}

/** @throws HostError 503 when somebody has emptied it, as a cleaner of old files does: nothing can be made in it then. */
export function requireContents(path: string, logger: Logger): void {
  if (existsSync(join(path, 'layers'))) return;
  logger.error(`The data directory ${path} has been emptied while its host runs.`);
  throw new HostError(
    503,
    'The data directory of the sandbox host has been emptied while it runs: end what runs, and start the host again.',
  );
}

/** What cannot be removed stays, to be tried again by the next host, and is no reason not to end. */
async function removeTemporary(path: string, logger: Logger): Promise<void> {
  await removeBusyTree(path).catch((error: unknown) => {
    logger.error({ err: error }, `The directory of the host that ends, ${path}, cannot be removed`);
  });
}

async function sweepTemporary(endLeftovers: (path: string) => Promise<void>, logger: Logger): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const owner = temporaryName.exec(name)?.[1];
    if (owner === undefined || stateOfOwner(owner) !== 'dead') continue;
    const path = join(tmpdir(), name);
    try {
      await endLeftovers(path);
      await removeTree(path);
    } catch (error) {
      // That is no reason for this host not to start, and the next tries again.
      logger.error({ err: error }, `What a host that died has left in ${path} cannot be removed`);
    }
  }
}

/**
 * Makes a directory this process's own: one of many that try at once succeeds. An owner that is counted elsewhere is
 * taken for dead, as it is when a container is started again on the volume of the one before.
 */
async function takeTurn(path: string, named: string): Promise<number> {
  for (;;) {
    const last = (await turnsOf(path)).at(-1) ?? 0;
    const owner = await readlink(linkOf(path, last)).catch(() => '');
    if (stateOfOwner(owner) === 'living') {
      throw new Error(
        `The data directory ${named} is in use by process ${owner.split('-')[0]}; give this host another dataDir.`,
      );
    }
    const turn = last + 1;
    if (!(await writeTurn(path, turn, ownerTag()))) continue;
    const turns = await turnsOf(path);
    // Somebody has come and taken later ones since this one looked.
    const isLate = turns.at(-1) !== turn;
    const past = isLate ? [turn] : turns.filter((one) => one < turn);
    await Promise.all(past.map((one) => rm(linkOf(path, one), { force: true })));
    if (!isLate) return turn;
  }
}

/** Leaves a turn of nobody's behind, so that numbers go on. */
async function giveTurn(path: string, turn: number): Promise<void> {
  // Nothing is left to give where the directory has been removed.
  await writeTurn(path, turn + 1, 'nobody').catch(() => {});
  await rm(linkOf(path, turn), { force: true });
}

/** @returns false when the number has been given. A link is there as a whole or not at all. */
function writeTurn(path: string, turn: number, owner: string): Promise<boolean> {
  return symlink(owner, linkOf(path, turn)).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
}

async function turnsOf(path: string): Promise<number[]> {
  const turns = (await readdir(path)).map((name) => Number(ownerLink.exec(name)?.[1]));
  return turns.filter((turn) => turn > 0).sort((a, b) => a - b);
}

function linkOf(path: string, turn: number): string {
  return join(path, `owner.${turn}`);
}
