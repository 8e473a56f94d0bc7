import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, open, opendir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from './rooted-path.js';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** Opens a directory that may not be read, to change that (open(2)); Node.js has no name for it. */
const O_PATH = 0o10000000;
/** Directories within each other that are held open at once; what is deeper is moved up first. */
const maxOpen = 32;
/** Names that are read and removed at the same time. */
const atOnce = 64;
/** What is in use for a moment, by a process that is about to end, is tried again this often, after this long. */
const busy = { codes: ['EBUSY', 'ENOTEMPTY', 'EEXIST'], tries: 20, delayMs: 50 };
/** What the owner of a directory needs to remove what is in it. */
const ownerAccess = 0o700;

/**
 * Removes a file or a directory with all that is in it, however deep or wide; does nothing where there is none. No link
 * is followed, not even one that somebody puts in a directory's place meanwhile, as a removal by paths would.
 * Directories of this user's that are closed to it are opened. Memory and descriptors are bounded.
 */
export async function removeTree(at: string): Promise<void> {
  if (process.platform !== 'linux') return rm(at, { recursive: true, force: true });
  if (await unlinkFile(at)) return;
  const top = await openDirectory(at);
  if (!top) return;
  try {
    // What was moved up comes to lie here, and its names may not be seen by a listing that has begun.
    while (await emptyDirectory(top, top, 1));
  } finally {
    await top.close();
  }
  await removeDirectory(at);
}

/** As {@link removeTree}, of what a process may still use that is about to end. */
export async function removeBusyTree(at: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await removeTree(at);
    } catch (error) {
      if (tries > busy.tries || !busy.codes.includes(errorCode(error) ?? '')) throw error;
      await sleep(busy.delayMs);
    }
  }
}

/** @returns whether something may be left, since it was moved up to `top`. */
async function emptyDirectory(directory: FileHandle, top: FileHandle, level: number): Promise<boolean> {
  let movedUp = false;
  const inside = pathOf(directory);
  for await (const names of batches(inside)) {
    const paths = names.map((name) => Buffer.concat([Buffer.from(`${inside}/`), name]));
    const isFile = await Promise.all(paths.map((at) => unlinkFile(at)));
    for (const at of paths.filter((_, index) => !isFile[index])) {
      if (level >= maxOpen && (await moveUp(at, top))) {
        movedUp = true;
        continue;
      }
      const child = await openDirectory(at);
      if (!child) continue;
      try {
        if (await emptyDirectory(child, top, level + 1)) movedUp = true;
      } finally {
        await child.close();
      }
      await removeDirectory(at);
    }
  }
  return movedUp;
}

/** Names as the system has them: they need not be UTF-8. */
async function* batches(directory: string): AsyncGenerator<Buffer[]> {
  let names: Buffer[] = [];
  // Node.js takes this encoding, and its types do not.
  const options = { bufferSize: atOnce, encoding: 'buffer' as BufferEncoding };
  for await (const { name } of await opendir(directory, options)) {
    if (names.push(Buffer.from(name)) < atOnce) continue;
    yield names;
    names = [];
  }
  yield names;
}

/** @returns false when it is a directory. */
async function unlinkFile(at: string | Buffer): Promise<boolean> {
  try {
    await unlink(at);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true;
    if (errorCode(error) === 'EISDIR') return false;
    throw error;
  }
}

async function removeDirectory(at: string | Buffer): Promise<void> {
  try {
    await rmdir(at);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** @returns false when it cannot be moved there, as into another file system. */
async function moveUp(at: string | Buffer, top: FileHandle): Promise<boolean> {
  try {
    await moveTree(at, `${pathOf(top)}/${randomUUID()}`);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true;
    if (errorCode(error) === 'EXDEV') return false;
    throw error;
  }
}

/** Renames a file or a directory, also one that its owner, if that is this user, may not write to. */
export async function moveTree(at: string | Buffer, to: string): Promise<void> {
  try {
    await rename(at, to);
  } catch (error) {
    // A directory that comes to lie elsewhere is written to: its `..` changes.
    if (errorCode(error) !== 'EACCES' || process.platform !== 'linux') throw error;
    await (await openDirectory(at))?.close();
    await rename(at, to);
  }
}

/** Opens a directory, and makes it one that its owner, if that is this user, can empty. @returns undefined when there is none. */
async function openDirectory(at: string | Buffer): Promise<FileHandle | undefined> {
  let found: FileHandle;
  try {
    found = await open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (errorCode(error) !== 'EACCES') throw error;
    return openClosed(at);
  }
  // Root can empty every directory.
  if (process.geteuid?.() !== 0) await openToOwner(found);
  return found;
}

/** Opens a directory that its owner may not read. */
async function openClosed(at: string | Buffer): Promise<FileHandle> {
  const found = await open(at, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    await openToOwner(found);
    return await open(pathOf(found), O_RDONLY | O_DIRECTORY);
  } finally {
    await found.close();
  }
}

async function openToOwner(directory: FileHandle): Promise<void> {
  const { uid, mode } = await directory.stat();
  if (uid === process.geteuid?.() && (mode & ownerAccess) !== ownerAccess)
    await chmod(pathOf(directory), (mode & 0o7777) | ownerAccess);
}

/** By an open descriptor, so that nobody can put anything in its place. */
function pathOf({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}
