import { constants } from 'node:fs';
import { open, opendir, rm, rmdir, unlink } from 'node:fs/promises';
import { HostError } from '../../../errors.js';
import { errorCode } from './rooted-path.js';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** Directories within each other; each is held open while what is in it is removed. */
const maxLevels = 500;

/**
 * Removes a file or a directory with all that is in it; does nothing where there is none. No link is followed, not
 * even one that somebody puts in a directory's place meanwhile, as a removal by paths would.
 */
export async function removeTree(at: string, levels: number = maxLevels): Promise<void> {
  if (process.platform !== 'linux') return rm(at, { recursive: true, force: true });
  try {
    await unlink(at);
    return;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    if (errorCode(error) !== 'EISDIR') throw error;
  }
  if (levels === 0) throw new HostError(400, `More than ${maxLevels} directories lie within each other.`);
  const directory = await open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const inside = `/proc/self/fd/${directory.fd}`;
    for await (const { name } of await opendir(inside)) await removeTree(`${inside}/${name}`, levels - 1);
  } finally {
    await directory.close();
  }
  await rmdir(at);
}
