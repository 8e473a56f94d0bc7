import {
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
} from 'node:fs';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** How many links Linux follows in one path (path_resolution(7)). */
const maxLinks = 40;
/** Each step of a path is taken by itself, so what the system allows in one call is no limit; something has to be. */
const maxPathLength = 256 * 1024;
const onLinux = process.platform === 'linux';

/** A directory that has been reached. */
interface ReachedDirectory {
  /** Its name inside the sandbox. */
  name: string;
  /** Which directory it is, so that the way back up leads to none that was put in its place. */
  identity: string;
}

/** The place of a path: the directory that holds it, reached without leaving the root, and its name there. */
export interface RootedPath {
  /** The host's path of the thing itself; it may not exist, or be a link when links were not to be followed. */
  at: string;
  /** The path inside the sandbox, with every link resolved. */
  path: string;
  close(): void;
}

export interface RootedPathOptions {
  /** Whether a link at the end of the path is followed. Default: true. */
  follow?: boolean;
  /** Make directories that are missing on the way, owned so. */
  create?: { uid: number; gid: number } | undefined;
}

/**
 * Walks a path below `root`, resolving links as a process would whose root that is: an absolute link starts at
 * `root`, and `..` stops there.
 *
 * @throws the system's error (ENOENT, ENOTDIR, ELOOP …) where the way ends.
 */
export function openRooted(root: string, path: string, options: RootedPathOptions = {}): RootedPath {
  const { follow = true, create } = options;
  if (path.length > maxPathLength) throw systemError('ENAMETOOLONG', 'path too long', path.slice(0, 100));
  // Only the last one is held open, however deep it lies.
  const reached: ReachedDirectory[] = [];
  let current: OpenDirectory = { at: root, close: () => {} };
  const goTo = (next: OpenDirectory): void => {
    current.close();
    current = next;
  };
  const goToRoot = (): void => {
    reached.length = 0;
    goTo({ at: root, close: () => {} });
  };
  const todo = path.split('/').reverse();
  let links = 0;
  const followLink = (at: string): boolean => {
    const target = readLinkOrUndefined(at);
    if (target === undefined) return false;
    links += 1;
    if (links > maxLinks) throw systemError('ELOOP', 'too many symbolic links', at);
    if (target.startsWith('/')) goToRoot();
    todo.push(...target.split('/').reverse());
    return true;
  };
  const goUp = (): void => {
    reached.pop();
    const parent = reached.at(-1);
    if (!parent) {
      goToRoot();
      return;
    }
    const above = openDirectory(`${current.at}/..`);
    goTo(above);
    if (identityOf(above.at) !== parent.identity)
      throw systemError('ENOENT', 'the directory was moved', path);
  };
  const goInto = (name: string, at: string): void => {
    const next = openDirectory(at);
    reached.push({ name, identity: identityOf(next.at) });
    goTo(next);
  };
  const enterDirectory = (name: string, at: string): void => {
    try {
      goInto(name, at);
    } catch (error) {
      const code = errorCode(error);
      if ((code === 'ENOTDIR' || code === 'ELOOP') && followLink(at)) return;
      if (code !== 'ENOENT' || !create) throw error;
      mkdirSync(at, { mode: 0o755 });
      if (process.getuid?.() === 0) chownSync(at, create.uid, create.gid);
      goInto(name, at);
    }
  };
  /** Whether nothing but dots follows. */
  const isLast = (): boolean => {
    while (todo.at(-1) === '' || todo.at(-1) === '.') todo.pop();
    return todo.length === 0;
  };
  const names = (): string[] => reached.map((directory) => directory.name);
  try {
    for (;;) {
      const name = todo.pop();
      if (name === undefined) break;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        goUp();
        continue;
      }
      const at = `${current.at}/${name}`;
      if (!isLast()) {
        enterDirectory(name, at);
        continue;
      }
      if (follow && followLink(at)) continue;
      return { at, path: `/${[...names(), name].join('/')}`, close: () => goToRoot() };
    }
    return { at: `${current.at}/.`, path: `/${names().join('/')}`, close: () => goToRoot() };
  } catch (error) {
    goToRoot();
    throw error;
  }
}

/** A directory that is held open, and a path by which the host can use it. */
export interface OpenDirectory {
  /** On Linux by its descriptor, so that nobody can put a link in its place afterwards. */
  at: string;
  close(): void;
}

/** Opens a directory itself, not what a link leads to. */
export function openDirectory(at: string | Buffer): OpenDirectory {
  if (onLinux) {
    const fd = openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return { at: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
  }
  if (!lstatSync(at).isDirectory()) throw systemError('ENOTDIR', 'not a directory', String(at));
  return { at: String(at), close: () => {} };
}

function identityOf(at: string): string {
  const fd = /^\/proc\/self\/fd\/(\d+)$/.exec(at)?.[1];
  const { dev, ino } = fd === undefined ? lstatSync(at) : fstatSync(Number(fd));
  return `${dev}:${ino}`;
}

function readLinkOrUndefined(at: string): string | undefined {
  try {
    return readlinkSync(at);
  } catch {
    return undefined;
  }
}

/** The system's name of an error, as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function systemError(code: string, message: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code, path });
}
