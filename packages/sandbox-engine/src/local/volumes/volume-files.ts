import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readlink,
  rename,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HostError } from '../../host-error.js';
import type { VolumeAttributes, VolumeEntry, VolumeFiles } from '../../volumes.js';
import { listDirectory } from '../files/list-directory.js';
import { localFiles, normalise, requireFile, withPlace } from '../files/local-files.js';
import { removeTree } from '../files/remove-tree.js';
import { errorCode } from '../files/rooted-path.js';
import type { SandboxIds } from '../sandbox-ids.js';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Which directories of the host a volume is in. */
export interface VolumePlace {
  root: string;
  /** Where files lie until they are whole: on the same mount, and in no sandbox. */
  staging: string;
  /** Undefined where all users are the one who runs the host. */
  ids: SandboxIds | undefined;
}

/** The files of a volume. Sandboxes change them at the same time, so each path is walked step by step. */
export function volumeFiles({ root, staging, ids }: VolumePlace): VolumeFiles {
  const { base, user } = ids ?? { base: 0, user: 0 };
  const owner = { uid: base + user, gid: base + user };

  async function describe(place: { at: string | Buffer }, path: string): Promise<VolumeEntry> {
    const stats = await lstat(place.at);
    const type = typeOf(stats);
    return {
      name: basename(path) || '/',
      path,
      type,
      size: stats.size,
      mode: stats.mode & 0o7777,
      uid: Math.max(stats.uid - base, 0),
      gid: Math.max(stats.gid - base, 0),
      accessedAt: stats.atime,
      modifiedAt: stats.mtime,
      changedAt: stats.ctime,
      ...(type === 'symlink' ? { target: await readlink(place.at) } : {}),
    };
  }

  const stat = (path: string): Promise<VolumeEntry> =>
    withPlace(root, path, { follow: false }, (place) => describe(place, normalise(path)));

  /** Of what is open, so that nobody can put a link in its place. The mode comes last: a new owner takes some of it away. */
  async function set(handle: FileHandle, { uid, gid, mode }: VolumeAttributes): Promise<void> {
    if (uid !== undefined || gid !== undefined) {
      const is = await handle.stat();
      await handle.chown(uid === undefined ? is.uid : base + uid, gid === undefined ? is.gid : base + gid);
    }
    if (mode !== undefined) await handle.chmod(mode);
  }

  const asNew = ({ uid, gid, mode }: VolumeAttributes, usual: number): VolumeAttributes =>
    ids ? { uid: uid ?? user, gid: gid ?? user, mode: mode ?? usual } : { uid, gid, mode: mode ?? usual };

  const above = (force: boolean): { create?: typeof owner } => (force ? { create: owner } : {});

  return {
    stat,

    list: (path, depth, signal) =>
      withPlace(root, path, {}, (place) =>
        listDirectory(
          root,
          { path: normalise(path), place },
          async (one, at) => ({ entry: await describe(one, at) }),
          { depth, signal },
        ),
      ),

    read: localFiles(root, undefined).read,

    write: (path, content, { force = false, ...attributes }) =>
      withPlace(root, path, { follow: force, ...above(force) }, async (place) => {
        const there = await lstat(place.at).catch(() => undefined);
        if (there && !force) throw alreadyThere(path);
        if (there) requireFile(there, path);
        const staged = join(staging, randomUUID());
        const handle = await open(staged, O_WRONLY | O_NOFOLLOW | O_CREAT | O_EXCL, 0o600);
        try {
          try {
            await writeFile(handle, content);
            await set(handle, asNew(attributes, 0o644));
          } finally {
            await handle.close();
          }
          // A link, other than a rename, never takes the place of what came meanwhile.
          if (force) await rename(staged, place.at);
          else await link(staged, place.at);
        } finally {
          content.destroy();
          await unlink(staged).catch(() => {});
        }
        return describe(place, normalise(path));
      }),

    makeDirectory: (path, { force = false, ...attributes }) =>
      withPlace(root, path, above(force), async (place) => {
        try {
          await mkdir(place.at, { mode: 0o755 });
        } catch (error) {
          if (errorCode(error) !== 'EEXIST' || !force) throw error;
          if (!(await lstat(place.at)).isDirectory()) throw alreadyThere(path);
          return describe(place, normalise(path));
        }
        const handle = await open(place.at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        await set(handle, asNew(attributes, 0o755)).finally(() => handle.close());
        return describe(place, normalise(path));
      }),

    change: (path, attributes) =>
      withPlace(root, path, {}, async (place) => {
        const handle = await open(place.at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        await set(handle, attributes).finally(() => handle.close());
        return stat(path);
      }),

    remove: (path) =>
      withPlace(root, path, { follow: false }, async (place) => {
        if (place.path === '/') throw new HostError(400, 'The root of a volume cannot be removed.');
        await lstat(place.at);
        await removeTree(place.at);
      }),
  };
}

function typeOf(stats: Stats): VolumeEntry['type'] {
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isDirectory()) return 'directory';
  return stats.isFile() ? 'file' : 'unknown';
}

function alreadyThere(path: string): HostError {
  return new HostError(409, `${path} exists already; the option force replaces it.`);
}
