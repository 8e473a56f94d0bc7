import { lstat, readdir } from 'node:fs/promises';
import { HostError } from '../../host-error.js';
import { errorCode, type OpenDirectory, openDirectory, openRooted, type RootedPath } from './rooted-path.js';

/** The most entries of a list. */
const entriesPerList = 50_000;
/** Directories within each other that are held open; those above are found again when something is left in them. */
const heldOpen = 32;

/** What a walk has to know of an entry: it goes down into directories, and follows no link. */
interface Entry {
  type: string;
  symlinkTarget?: string;
}

/** An entry, and when all of it has been read, if that needs the path for longer. */
export interface Described<T> {
  entry: T;
  complete?: Promise<void>;
}

/** Describes what is in a directory below `root`, down to `depth` levels, each before what is in it. */
export async function listDirectory<T extends Entry>(
  root: string,
  { path, place }: { path: string; place: RootedPath },
  describe: (place: { at: string | Buffer }, path: string) => Promise<Described<T>>,
  { depth, signal }: { depth: number; signal: AbortSignal | undefined },
): Promise<T[]> {
  const found: T[] = [];
  const levels: Level[] = [];
  // Not waited for one by one: that would take several times as long.
  let incomplete: Promise<void>[] = [];
  const close = async (level: Level | undefined): Promise<void> => {
    await Promise.all(incomplete);
    incomplete = [];
    level?.directory?.close();
    if (level) level.directory = undefined;
  };
  const open = (level: Level): string => {
    if (!level.directory) {
      const place = openRooted(root, level.path, { follow: level === levels[0] });
      try {
        level.directory = openDirectory(place.at);
      } finally {
        place.close();
      }
    }
    return level.directory.at;
  };
  const enter = async (directory: OpenDirectory, inside: string): Promise<void> => {
    const level: Level = { path: inside, directory, todo: [] };
    levels.push(level);
    level.todo = (await readdir(directory.at, { encoding: 'buffer' })).map(nameOf).sort(byName).reverse();
    await close(levels.at(-heldOpen - 1));
  };
  if (!(await lstat(place.at)).isDirectory()) throw new HostError(400, `${path} is not a directory.`);
  try {
    await enter(openDirectory(place.at), path);
    for (let level = levels.at(-1); level; level = levels.at(-1)) {
      signal?.throwIfAborted();
      const next = level.todo.pop();
      if (next === undefined) {
        await close(levels.pop());
        continue;
      }
      if (found.length >= entriesPerList) {
        throw new HostError(400, `${path} holds more than ${entriesPerList} entries; list a part of it.`);
      }
      const { name, bytes } = next;
      const child = level.path === '/' ? `/${name}` : `${level.path}/${name}`;
      try {
        const directory = open(level);
        const at = bytes ? Buffer.concat([Buffer.from(`${directory}/`), bytes]) : `${directory}/${name}`;
        const { entry, complete } = await describe({ at }, child);
        if (complete) incomplete.push(complete);
        found.push(entry);
        if (entry.type === 'directory' && entry.symlinkTarget === undefined && levels.length < depth)
          await enter(openDirectory(at), child);
      } catch (error) {
        // Removed while we looked.
        if (errorCode(error) !== 'ENOENT') throw error;
      }
    }
  } finally {
    for (const level of levels) await close(level);
  }
  return found;
}

/** A directory of the walk. */
interface Level {
  path: string;
  /** Undefined when it is not held open any more. */
  directory: OpenDirectory | undefined;
  /** Names that are still to be looked at, last first. */
  todo: Name[];
}

/** A name as it is shown. */
interface Name {
  name: string;
  /** Only of one that is not UTF-8: what it is shown as has U+FFFD for its other bytes, and does not lead to it. */
  bytes?: Buffer;
}

function nameOf(bytes: Buffer): Name {
  const name = bytes.toString();
  return Buffer.from(name).equals(bytes) ? { name } : { name, bytes };
}

function byName(a: Name, b: Name): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
