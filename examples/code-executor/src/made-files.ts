import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** A file that a run made or changed. */
export interface MadeFile {
  type: 'file';
  path: string;
  bytes: number;
  /** Its content; missing when the files of the run together are too much to send. */
  base64?: string;
}

const maxFiles = 32;
const maxBytes = 4 * 1024 * 1024;
/** A run that makes more than this many entries is not looked through further. */
const maxEntries = 1_000;

/**
 * Gives the files below a folder that are not as they were given, in the order of their names.
 *
 * @param given - What was there before the run, by path.
 */
export async function* madeFiles(
  folder: string,
  given: ReadonlyMap<string, Buffer>,
): AsyncGenerator<MadeFile> {
  let left = maxBytes;
  let files = 0;
  for (const path of await below(folder)) {
    const found = await read(path, left);
    if (!found) continue;
    const name = relative(folder, path);
    const before = given.get(name);
    if (before && found.content && before.equals(found.content)) continue;
    files += 1;
    if (files > maxFiles) return;
    left -= found.content?.length ?? 0;
    const base64 = found.content?.toString('base64');
    yield { type: 'file', path: name, bytes: found.bytes, ...(base64 !== undefined && { base64 }) };
  }
}

async function below(folder: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [folder];
  let entries = 0;
  for (let next = folders.shift(); next !== undefined; next = folders.shift()) {
    for (const entry of await readdir(next, { withFileTypes: true }).catch(() => [])) {
      entries += 1;
      if (entries > maxEntries) return files.sort();
      const path = join(next, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
    }
  }
  return files.sort();
}

/** Follows no link: the code that made the file may have pointed it anywhere. */
async function read(
  path: string,
  maxBytes: number,
): Promise<{ bytes: number; content?: Buffer } | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) return undefined;
    if (stats.size > maxBytes) return { bytes: stats.size };
    return { bytes: stats.size, content: await file.readFile() };
  } catch {
    // Gone, or not for us to read.
    return undefined;
  }
}
