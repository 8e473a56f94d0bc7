import { constants, type Stats } from 'node:fs';
import {
  type FileHandle,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { basename } from 'node:path';
import { HostError } from '../../../errors.js';
import type { FileEntry, SandboxFiles } from '../../files.js';
import type { SandboxUser } from '../../user.js';
import { errorCode, openRooted, type RootedPath, type RootedPathOptions } from './rooted-path.js';
import { watchDirectory } from './watch-directory.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;

/** A list has at most so many entries. */
const entriesPerList = 50_000;
/** Of so many files it is remembered what was said about them. */
const filesWithMetadata = 10_000;

/** The numbers of the users inside; undefined where everybody is whoever runs the host. */
export type UserIds = Record<SandboxUser, number>;

/** The files below a directory of the host's. */
export function localFiles(root: string, ids: UserIds | undefined): SandboxFiles {
  const ownership = (user: SandboxUser): { uid: number; gid: number } | undefined =>
    ids && { uid: ids[user], gid: ids[user] };
  const ownerName = (uid: number): string =>
    !ids || uid === ids.user ? 'user' : uid === ids.root ? 'root' : String(uid);

  /** Resolves a path, runs something with it, and tells its failure in the sandbox's terms. */
  async function at<T>(
    path: string,
    options: RootedPathOptions,
    action: (place: RootedPath) => Promise<T>,
  ): Promise<T> {
    let place: RootedPath | undefined;
    try {
      if (!path.startsWith('/') || path.includes('\0'))
        throw new HostError(400, `${path} is not an absolute path.`);
      place = openRooted(root, path, options);
      return await action(place);
    } catch (error) {
      throw fileError(error, path);
    } finally {
      place?.close();
    }
  }

  // By inode and birth, so that it follows the file wherever it is moved and ends with it.
  const metadataOf = new Map<string, Record<string, string>>();
  const identity = (stats: Stats): string => `${stats.ino}:${stats.birthtimeMs}`;

  async function describe(place: RootedPath, asked: string): Promise<FileEntry> {
    const own = await lstat(place.at);
    const entry = (stats: Stats): FileEntry => ({
      name: basename(asked) || '/',
      path: asked,
      type: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
      size: stats.size,
      mode: stats.mode & 0o7777,
      owner: ownerName(stats.uid),
      group: ownerName(stats.gid),
      modifiedAt: stats.mtime,
      ...withMetadata(stats),
    });
    const withMetadata = (stats: Stats): Pick<FileEntry, 'metadata'> => {
      const metadata = metadataOf.get(identity(stats));
      return metadata ? { metadata } : {};
    };
    if (!own.isSymbolicLink()) return entry(own);
    try {
      const target = openRooted(root, asked);
      try {
        return { ...entry(await lstat(target.at)), symlinkTarget: target.path };
      } finally {
        target.close();
      }
    } catch {
      // It leads nowhere.
      return { ...entry(own), symlinkTarget: asked };
    }
  }

  const files: SandboxFiles = {
    stat: (path) => at(path, { follow: false }, (place) => describe(place, normalise(path))),

    list: (path, depth, signal) =>
      at(path, {}, async (place) => {
        const found: FileEntry[] = [];
        const walk = async (directory: string, place: RootedPath, levels: number): Promise<void> => {
          const names = (await readdir(place.at)).sort();
          for (const name of names) {
            signal?.throwIfAborted();
            if (found.length >= entriesPerList) {
              throw new HostError(
                400,
                `${path} holds more than ${entriesPerList} entries; list a part of it.`,
              );
            }
            const child = directory === '/' ? `/${name}` : `${directory}/${name}`;
            let inner: RootedPath | undefined;
            try {
              inner = openRooted(root, child, { follow: false });
              const entry = await describe(inner, child);
              found.push(entry);
              if (entry.type === 'directory' && entry.symlinkTarget === undefined && levels > 1) {
                await walk(child, inner, levels - 1);
              }
            } catch (error) {
              // Removed while we looked.
              if (errorCode(error) !== 'ENOENT') throw error;
            } finally {
              inner?.close();
            }
          }
        };
        if (!(await lstat(place.at)).isDirectory()) throw new HostError(400, `${path} is not a directory.`);
        await walk(normalise(path), place, depth);
        return found;
      }),

    read: (path) =>
      at(path, {}, async (place) => {
        // Not to wait for the other end of a pipe.
        const handle = await open(place.at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        const stats = await handle.stat();
        if (!stats.isFile()) {
          await handle.close();
          throw new HostError(
            400,
            `${path} is ${stats.isDirectory() ? 'a directory' : 'not a regular file'}.`,
          );
        }
        // So much and no more, should it grow meanwhile; files of /proc say that they have nothing in them.
        const end = stats.size === 0 ? Number.POSITIVE_INFINITY : stats.size - 1;
        const content = handle.createReadStream({ start: 0, end, highWaterMark: 256 * 1024 });
        return { size: stats.size, content };
      }),

    write: (path, content, owner, metadata = {}) =>
      at(path, { create: createOptions(owner) }, async (place) => {
        const { handle, isNew } = await openForWriting(place.at);
        let key: string | undefined;
        try {
          const stats = await handle.stat();
          if (!stats.isFile()) throw new HostError(400, `${path} is not a regular file.`);
          key = identity(stats);
          const ids = ownership(owner);
          if (ids) await handle.chown(ids.uid, ids.gid);
          // Not as a stream of its own: that would hold on to the handle when the content is cut.
          await writeFile(handle, content);
        } catch (error) {
          // Half a file must not pass for one; what was there before is gone either way.
          if (isNew) await rm(place.at, { force: true });
          throw error;
        } finally {
          content.destroy();
          await handle.close();
        }
        metadataOf.delete(key);
        if (Object.keys(metadata).length > 0) metadataOf.set(key, metadata);
        const [oldest] = metadataOf.keys();
        if (oldest !== undefined && metadataOf.size > filesWithMetadata) metadataOf.delete(oldest);
        return describe(place, normalise(path));
      }),

    makeDirectory: (path, owner) =>
      at(path, { create: createOptions(owner) }, async (place) => {
        await mkdir(place.at, { mode: 0o755 });
        const ids = ownership(owner);
        if (ids) await lchown(place.at, ids.uid, ids.gid);
        return describe(place, normalise(path));
      }),

    move: (from, to, owner) =>
      at(from, { follow: false }, (source) =>
        at(to, { follow: false, create: createOptions(owner) }, async (target) => {
          await lstat(source.at).catch((error: unknown) => {
            throw fileError(error, from);
          });
          await rename(source.at, target.at);
          return describe(target, normalise(to));
        }),
      ),

    remove: (path) =>
      at(path, { follow: false }, async (place) => {
        if (place.path === '/') throw new HostError(400, 'The root directory cannot be removed.');
        await rm(place.at, { recursive: true, force: true });
      }).catch((error: unknown) => {
        if (!(error instanceof HostError) || error.status !== 404) throw error;
      }),

    watch: (path, recursive, onEvent) =>
      at(path, {}, async (place) => {
        if (!(await lstat(place.at)).isDirectory()) throw new HostError(400, `${path} is not a directory.`);
        return watchDirectory(root, place.path, recursive, onEvent);
      }),
  };
  return files;

  function createOptions(owner: SandboxUser): { uid: number; gid: number } {
    return ownership(owner) ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  }
}

/** A path without doubled slashes, dots and a slash at its end; links are left as they are. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Opens a file to write it from its beginning, and tells whether there was none. */
async function openForWriting(path: string): Promise<{ handle: FileHandle; isNew: boolean }> {
  // Neither a link is followed nor the other end of a pipe waited for.
  const flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return { handle: await open(path, flags | O_CREAT | O_EXCL, 0o644), isNew: true };
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    return { handle: await open(path, flags | O_TRUNC), isNew: false };
  }
}

function fileError(error: unknown, path: string): unknown {
  if (error instanceof HostError) return error;
  const options = { cause: error };
  switch (errorCode(error)) {
    case 'ENOENT':
      return new HostError(404, `${path} does not exist.`, options);
    case 'EEXIST':
      return new HostError(409, `${path} exists already.`, options);
    case 'ENOTEMPTY':
      return new HostError(409, `${path} is a directory that is not empty.`, options);
    case 'ENOTDIR':
      return new HostError(400, `${path} leads through something that is not a directory.`, options);
    case 'EISDIR':
      return new HostError(400, `${path} is a directory.`, options);
    case 'EINVAL':
      return new HostError(
        400,
        `${path} cannot be used so; a directory cannot be moved into itself.`,
        options,
      );
    case 'ELOOP':
      return new HostError(400, `${path} leads through too many symbolic links.`, options);
    case 'ENAMETOOLONG':
      return new HostError(400, 'The path is too long.', options);
    case 'ENOSPC':
    case 'EDQUOT':
      return new HostError(507, 'There is no space left for the file.', options);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new HostError(403, `${path} may not be changed or read.`, options);
    default:
      return error;
  }
}
