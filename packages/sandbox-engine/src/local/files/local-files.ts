import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  type FileHandle,
  lchown,
  lstat,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { FileEntry, SandboxFiles } from '../../files.js';
import { HostError } from '../../host-error.js';
import { shortageOf } from '../../shortage.js';
import type { SandboxUser } from '../../user.js';
import type { FileAttributes } from './file-attributes.js';
import { type Described, listDirectory } from './list-directory.js';
import { removeTree } from './remove-tree.js';
import { errorCode, openRooted, type RootedPath, type RootedPathOptions } from './rooted-path.js';
import { watchDirectory } from './watch-directory.js';

const { O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Of how many files it is remembered that they were written here. */
const filesRemembered = 10_000;

/** The host's numbers of the users inside; undefined where all users are the one who runs the host. */
export type UserIds = Record<SandboxUser, number>;

/** Resolves a path below `root`, runs something with it, and tells its failure in the caller's terms. */
export async function withPlace<T>(
  root: string,
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

/**
 * The files below a directory of the host's.
 *
 * @param attributes - What keeps the metadata of files. Without it they have none, and none can be given.
 */
export function localFiles(
  root: string,
  ids: UserIds | undefined,
  attributes?: FileAttributes,
): SandboxFiles {
  const ownership = (user: SandboxUser): { uid: number; gid: number } | undefined =>
    ids && { uid: ids[user], gid: ids[user] };
  const ownerName = (id: number): string => {
    if (!ids || id === ids.user) return 'user';
    if (id === ids.root) return 'root';
    // What lies on the host belongs to nobody inside.
    return id > ids.root && id - ids.root < 65_536 ? String(id - ids.root) : 'nobody';
  };

  const at = <T>(
    path: string,
    options: RootedPathOptions,
    action: (place: RootedPath) => Promise<T>,
  ): Promise<T> => withPlace(root, path, options, action);

  // By inode and birth, so that it follows the file wherever it is moved.
  const identity = (stats: Stats): string => `${stats.ino}:${stats.birthtimeMs}`;
  // To a watcher, a file that was written here is the one before with other contents.
  const written = new Set<string>();

  async function describe(place: { at: string | Buffer }, asked: string): Promise<Described<FileEntry>> {
    const own = await lstat(place.at);
    const entryOf = (stats: Stats): FileEntry => ({
      name: basename(asked) || '/',
      path: asked,
      type: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
      size: stats.size,
      mode: stats.mode & 0o7777,
      owner: ownerName(stats.uid),
      group: ownerName(stats.gid),
      modifiedAt: stats.mtime,
    });
    if (!own.isSymbolicLink()) {
      const entry = entryOf(own);
      return { entry, complete: addMetadata(entry, place.at) };
    }
    try {
      const target = openRooted(root, asked);
      try {
        const entry = { ...entryOf(await lstat(target.at)), symlinkTarget: target.path };
        await addMetadata(entry, target.at);
        return { entry };
      } finally {
        target.close();
      }
    } catch {
      // It leads nowhere.
      return { entry: { ...entryOf(own), symlinkTarget: asked } };
    }
  }

  async function addMetadata(entry: FileEntry, at: string | Buffer): Promise<void> {
    // Nothing else has attributes that are not the system's.
    const metadata = entry.type === 'other' ? undefined : await attributes?.read(at);
    if (metadata) entry.metadata = metadata;
  }

  async function describeWhole(place: { at: string | Buffer }, asked: string): Promise<FileEntry> {
    const { entry, complete } = await describe(place, asked);
    await complete;
    return entry;
  }

  const files: SandboxFiles = {
    stat: (path) => at(path, { follow: false }, (place) => describeWhole(place, normalise(path))),

    list: (path, depth, signal) =>
      at(path, {}, (place) =>
        listDirectory(root, { path: normalise(path), place }, describe, { depth, signal }),
      ),

    read: (path) =>
      at(path, {}, async (place) => {
        // Looked at first: opening a device may do something. It may have become another thing when it is opened.
        requireFile(await lstat(place.at), path);
        const handle = await open(place.at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        const stats = await handle.stat();
        try {
          requireFile(stats, path);
        } catch (error) {
          await handle.close();
          throw error;
        }
        // No more than that, should it grow meanwhile; files of /proc say that they have nothing in them.
        const all = { start: 0, end: stats.size === 0 ? Number.POSITIVE_INFINITY : stats.size - 1 };
        return {
          size: stats.size,
          modifiedAt: stats.mtime,
          stream: (range = all) => handle.createReadStream({ ...range, highWaterMark: 256 * 1024 }),
          close: () => handle.close(),
        };
      }),

    write: (path, content, owner, metadata = {}) =>
      at(path, { create: createOptions(owner) }, async (place) => {
        const before = await lstat(place.at).catch(() => undefined);
        if (before) requireFile(before, path);
        // Put in its place as a whole: half a file must not pass for one, nor take the place of another.
        const staged = await openStaged(root, place);
        try {
          // Not as a stream of its own: that would hold on to the handle when the content is cut.
          await writeFile(staged.handle, content);
          const ids = ownership(owner);
          if (ids) await staged.handle.chown(ids.uid, ids.gid);
          await staged.handle.chmod(before ? before.mode & 0o7777 : 0o644);
          if (Object.keys(metadata).length > 0)
            await requireAttributes(attributes).write(staged.at, metadata);
          written.add(identity(await staged.handle.stat()));
          await rename(staged.at, place.at);
        } catch (error) {
          await rm(staged.at, { force: true });
          throw error;
        } finally {
          content.destroy();
          await staged.close();
        }
        const [oldest] = written;
        if (oldest !== undefined && written.size > filesRemembered) written.delete(oldest);
        return describeWhole(place, normalise(path));
      }),

    makeDirectory: (path, owner) =>
      at(path, { create: createOptions(owner) }, async (place) => {
        await mkdir(place.at, { mode: 0o755 }).catch(async (error: unknown) => {
          const there =
            errorCode(error) === 'EEXIST' ? await lstat(place.at).catch(() => undefined) : undefined;
          if (!there || there.isDirectory()) throw error;
          throw new HostError(400, `${path} exists already and is ${kindOf(there)}, not a directory.`);
        });
        const ids = ownership(owner);
        if (ids) await lchown(place.at, ids.uid, ids.gid);
        return describeWhole(place, normalise(path));
      }),

    move: (from, to, owner) =>
      at(from, { follow: false }, (source) =>
        at(to, { follow: false, create: createOptions(owner) }, async (target) => {
          await lstat(source.at).catch((error: unknown) => {
            throw fileError(error, from);
          });
          await rename(source.at, target.at);
          return describeWhole(target, normalise(to));
        }),
      ),

    remove: (path) =>
      at(path, { follow: false }, async (place) => {
        if (place.path === '/') throw new HostError(400, 'The root directory cannot be removed.');
        await removeTree(place.at);
      }).catch((error: unknown) => {
        if (!(error instanceof HostError) || error.status !== 404) throw error;
      }),

    watch: (path, recursive, onEvent) =>
      at(path, {}, async (place) => {
        if (!(await lstat(place.at)).isDirectory()) throw new HostError(400, `${path} is not a directory.`);
        return watchDirectory(root, place.path, recursive, onEvent, (stats) => written.has(identity(stats)));
      }),
  };
  return files;

  function createOptions(owner: SandboxUser): { uid: number; gid: number } {
    return ownership(owner) ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  }
}

function requireAttributes(attributes: FileAttributes | undefined): FileAttributes {
  if (attributes) return attributes;
  throw new HostError(501, 'Files here have no metadata.');
}

/** What something is, in words. */
function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFile()) return 'a file';
  if (stats.isSymbolicLink()) return 'a link that leads nowhere';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** @throws HostError 400 for what has no content of its own. */
export function requireFile(stats: Stats, path: string): void {
  if (!stats.isFile()) throw new HostError(400, `${path} is ${kindOf(stats)}, not a regular file.`);
}

/** A path without doubled slashes, dots and a slash at its end; links are left as they are. */
export function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Where files lie inside until they are whole. */
const stagingDirectory = '/run/sandpiper/uploads';

/** Opens a file that is to take a place when it is whole: out of sight, or beside the place if that is on another mount. */
async function openStaged(
  root: string,
  place: RootedPath,
): Promise<{ handle: FileHandle; at: string; close: () => Promise<void> }> {
  const name = `upload-${randomUUID()}`;
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const hidden = openRooted(root, `${stagingDirectory}/${name}`, { follow: false, create: owner });
  const beside = `${dirname(place.at)}/.${name}`;
  try {
    const [there, here] = await Promise.all([hidden.at, beside].map((at) => mountOf(dirname(at))));
    const at = there === here ? hidden.at : beside;
    const handle = await open(at, O_WRONLY | O_NOFOLLOW | O_CREAT | O_EXCL, 0o600);
    const close = async (): Promise<void> => {
      await handle.close();
      hidden.close();
    };
    return { handle, at, close };
  } catch (error) {
    hidden.close();
    throw error;
  }
}

/** What files cannot be renamed out of. Of a directory that is held open it is known which mount it was reached by. */
async function mountOf(directory: string): Promise<string> {
  const { dev } = await stat(directory);
  const open = /^\/proc\/self\/fd\/(\d+)$/.exec(directory);
  const info = open ? await readFile(`/proc/self/fdinfo/${open[1]}`, 'utf8') : '';
  return `${dev} ${/^mnt_id:\s*(\d+)/m.exec(info)?.[1] ?? ''}`;
}

function fileError(error: unknown, path: string): unknown {
  if (error instanceof HostError) return error;
  const options = { cause: error };
  // However the system says it: it may be the reason of another error.
  const shortage = shortageOf(error);
  if (shortage?.status === 507) return new HostError(507, 'There is no space left for the file.', options);
  switch (errorCode(error)) {
    case 'ENOENT':
      return new HostError(404, `${path} does not exist.`, options);
    case 'EEXIST':
      return new HostError(409, `${path} exists already.`, options);
    case 'ENOTEMPTY':
      return new HostError(409, `${path} is a directory that is not empty.`, options);
    case 'EXDEV':
      return new HostError(400, `${path} lies in another volume or mount; copy it instead.`, options);
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
      return new HostError(400, 'The path, or a name in it, is too long.', options);
    case 'ENXIO':
    case 'ENODEV':
      return new HostError(400, `${path} is a socket, a pipe or a device, not a regular file.`, options);
    case 'EBUSY':
    case 'ETXTBSY':
      return new HostError(400, `${path} is in use: something is mounted there, or runs from it.`, options);
    case 'ENOTSUP':
      return new HostError(400, `${path} does not support this.`, options);
    case 'ECONNRESET':
      return new HostError(400, `What was to be in ${path} was not sent to its end.`, options);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new HostError(403, `${path} may not be changed or read.`, options);
    default:
      return shortage ?? error;
  }
}
