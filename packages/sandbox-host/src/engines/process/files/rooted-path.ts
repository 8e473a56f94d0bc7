import { chownSync, closeSync, constants, lstatSync, mkdirSync, openSync, readlinkSync } from 'node:fs';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** As many links as Linux follows in one path (path_resolution(7)). */
const maxLinks = 40;
const onLinux = process.platform === 'linux';

/** A directory that has been reached, and a path by which the host can use it. */
interface ReachedDirectory {
  /** Its name inside the sandbox; empty for the root. */
  name: string;
  /** On Linux by an open descriptor, so that nobody can put a link in its place afterwards. */
  at: string;
  fd: number | undefined;
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
  const reached: ReachedDirectory[] = [{ name: '', at: root, fd: undefined }];
  const todo = path.split('/').reverse();
  let links = 0;
  const current = (): ReachedDirectory => reached[reached.length - 1] as ReachedDirectory;
  const close = (): void => {
    for (const { fd } of reached.splice(0)) if (fd !== undefined) closeSync(fd);
  };
  const followLink = (at: string): boolean => {
    const target = readLinkOrUndefined(at);
    if (target === undefined) return false;
    links += 1;
    if (links > maxLinks) throw systemError('ELOOP', 'too many symbolic links', at);
    if (target.startsWith('/')) for (const { fd } of reached.splice(1)) if (fd !== undefined) closeSync(fd);
    todo.push(...target.split('/').reverse());
    return true;
  };
  try {
    for (;;) {
      const name = todo.pop();
      if (name === undefined) break;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (reached.length > 1) {
          const { fd } = reached.pop() as ReachedDirectory;
          if (fd !== undefined) closeSync(fd);
        }
        continue;
      }
      const at = `${current().at}/${name}`;
      const isLast = todo.every((rest) => rest === '' || rest === '.');
      if (isLast) {
        if (follow && followLink(at)) continue;
        const inside = [...reached.slice(1).map((directory) => directory.name), name].join('/');
        return { at, path: `/${inside}`, close };
      }
      enterDirectory(name, at);
    }
    return {
      at: `${current().at}/.`,
      path: `/${reached
        .slice(1)
        .map((one) => one.name)
        .join('/')}`,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }

  function enterDirectory(name: string, at: string): void {
    try {
      reached.push(reach(name, at));
    } catch (error) {
      const code = errorCode(error);
      if ((code === 'ENOTDIR' || code === 'ELOOP') && followLink(at)) return;
      if (code !== 'ENOENT' || !create) throw error;
      mkdirSync(at, { mode: 0o755 });
      if (process.getuid?.() === 0) chownSync(at, create.uid, create.gid);
      reached.push(reach(name, at));
    }
  }
}

function reach(name: string, at: string): ReachedDirectory {
  if (onLinux) {
    const fd = openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return { name, at: `/proc/self/fd/${fd}`, fd };
  }
  if (!lstatSync(at).isDirectory()) throw systemError('ENOTDIR', 'not a directory', at);
  return { name, at, fd: undefined };
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
