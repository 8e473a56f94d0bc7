import { lstat, readdir } from 'node:fs/promises';
import { HostError } from '../../../errors.js';
import { errorCode, openRooted, type RootedPath } from './rooted-path.js';

/** A list has at most so many entries. */
const entriesPerList = 50_000;

/** What a walk has to know of an entry: it goes down into directories, and follows no link. */
interface Entry {
  type: string;
  symlinkTarget?: string;
}

/** Describes what is in a directory below `root`, down to `depth` levels, each before what is in it. */
export async function listDirectory<T extends Entry>(
  root: string,
  { path, place }: { path: string; place: RootedPath },
  describe: (place: RootedPath, path: string) => Promise<T>,
  { depth, signal }: { depth: number; signal: AbortSignal | undefined },
): Promise<T[]> {
  const found: T[] = [];
  const walk = async (directory: string, at: string, levels: number): Promise<void> => {
    for (const name of (await readdir(at)).sort()) {
      signal?.throwIfAborted();
      if (found.length >= entriesPerList) {
        throw new HostError(400, `${path} holds more than ${entriesPerList} entries; list a part of it.`);
      }
      const child = directory === '/' ? `/${name}` : `${directory}/${name}`;
      let inner: RootedPath | undefined;
      try {
        inner = openRooted(root, child, { follow: false });
        const entry = await describe(inner, child);
        found.push(entry);
        if (entry.type === 'directory' && entry.symlinkTarget === undefined && levels > 1) {
          await walk(child, inner.at, levels - 1);
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
  await walk(path, place.at, depth);
  return found;
}
