import { isUtf8 } from 'node:buffer';
import { type FSWatcher, lstatSync, readdirSync, type Stats, watch } from 'node:fs';
import type { FileEvent } from '../../files.js';
import { HostError } from '../../host-error.js';
import { openDirectory, openRooted } from './rooted-path.js';

/** The most directories that one watch may cover. */
const maxDirectories = 1_000;

/** A directory that is being watched, and what was in it when we last looked, by the bytes of its name as latin1. */
interface Watched {
  watcher: FSWatcher;
  known: Map<string, Stats>;
}

/**
 * Reports what happens in a directory. The system says little more than that something has happened to a name,
 * so what it was is told by comparing with what had been there.
 *
 * @param path - Absolute, inside `root`.
 * @param isWrittenHere - Whether a file was put in its place as a whole, by a write through this host.
 * @returns what ends the watching.
 */
export function watchDirectory(
  root: string,
  path: string,
  recursive: boolean,
  onEvent: (event: FileEvent) => void,
  isWrittenHere: (stats: Stats) => boolean,
): () => void {
  const directories = new Map<string, Watched>();
  const inside = (relative: string): string => (relative === '' ? path : `${path}/${relative}`);

  /** Starts watching one directory. What is in it already was there before, unless the directory is itself new. */
  const add = (relative: string, isNew: boolean): void => {
    if (directories.has(relative)) return;
    if (directories.size >= maxDirectories) {
      throw new HostError(400, `One watch may cover ${maxDirectories} directories; ${path} has more.`);
    }
    const place = openRooted(root, inside(relative), { follow: relative === '' });
    try {
      const watcher = watch(place.at, { persistent: false, encoding: 'buffer' }, (kind, name) => {
        if (name) look(relative, name, kind === 'change');
      });
      watcher.on('error', () => remove(relative));
      const known = new Map<string, Stats>();
      directories.set(relative, { watcher, known });
      for (const name of readdirSync(place.at, { encoding: 'buffer' })) {
        if (isNew) look(relative, name, false);
        else {
          const stats = statOf(relative, name);
          if (!stats) continue;
          known.set(keyOf(name), stats);
          if (recursive && stats.isDirectory() && isText(name)) add(join(relative, name), false);
        }
      }
    } finally {
      place.close();
    }
  };

  const remove = (relative: string): void => {
    for (const [name, { watcher }] of directories) {
      if (name !== relative && !name.startsWith(`${relative}/`)) continue;
      watcher.close();
      directories.delete(name);
    }
  };

  const statOf = (directory: string, name: Buffer): Stats | undefined => {
    try {
      const place = openRooted(root, inside(directory), { follow: directory === '' });
      try {
        // By its bytes: a name that is not UTF-8 has no text that leads to it.
        const listing = openDirectory(place.at);
        try {
          return lstatSync(Buffer.concat([Buffer.from(`${listing.at}/`), name]));
        } finally {
          listing.close();
        }
      } finally {
        place.close();
      }
    } catch {
      return undefined;
    }
  };

  /** Whether something has the same inode under another name: then it was moved there. */
  const wasMoved = (before: Stats): boolean =>
    [...directories.keys()].some((directory) => {
      try {
        const place = openRooted(root, inside(directory), { follow: directory === '' });
        try {
          return readdirSync(place.at, { encoding: 'buffer' }).some((name) =>
            isSameFile(statOf(directory, name), before),
          );
        } finally {
          place.close();
        }
      } catch {
        return false;
      }
    });

  const look = (directory: string, name: Buffer, changed: boolean): void => {
    const watched = directories.get(directory);
    if (!watched) return;
    const relative = join(directory, name);
    const before = watched.known.get(keyOf(name));
    const now = statOf(directory, name);
    if (!now) {
      if (!before) return;
      watched.known.delete(keyOf(name));
      if (before.isDirectory() && isText(name)) remove(relative);
      onEvent({ name: relative, type: wasMoved(before) ? 'rename' : 'remove' });
      return;
    }
    watched.known.set(keyOf(name), now);
    if (!before || before.ino !== now.ino) {
      const isWhole = isWrittenHere(now);
      if (!before || !isWhole) onEvent({ name: relative, type: 'create' });
      // Given to its owner between the two, as E2B's envd reports it.
      if (!before && isWhole) onEvent({ name: relative, type: 'chmod' });
      if (isWhole) onEvent({ name: relative, type: 'write' });
      if (recursive && now.isDirectory() && isText(name)) add(relative, true);
    } else if (before.mode !== now.mode || before.uid !== now.uid || before.gid !== now.gid) {
      onEvent({ name: relative, type: 'chmod' });
    } else if (changed && !now.isDirectory()) {
      onEvent({ name: relative, type: 'write' });
    }
  };

  add('', false);
  return () => {
    for (const { watcher } of directories.values()) watcher.close();
    directories.clear();
  };
}

/** File systems give the inode of what was removed to what is made next; some know no time of birth. */
function isSameFile(now: Stats | undefined, before: Stats): boolean {
  return (
    now?.ino === before.ino && (now.birthtimeMs === before.birthtimeMs || now.mtimeMs === before.mtimeMs)
  );
}

/** As it is shown: for bytes that are not UTF-8 with U+FFFD. */
function join(directory: string, name: Buffer): string {
  return directory === '' ? name.toString() : `${directory}/${name}`;
}

function keyOf(name: Buffer): string {
  return name.toString('latin1');
}

/** Whether there is a text that leads to it. What is in other directories is not watched. */
function isText(name: Buffer): boolean {
  return isUtf8(name);
}
