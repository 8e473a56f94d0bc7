import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** What could not be removed is tried again with the next. */
const left = new Set<string>();

/**
 * Removes a folder, whatever code has left in it. By programs that walk by descriptors, which Node.js does not: a folder may
 * be deeper than any path, or closed to its owner, as `go mod download` leaves it. That one stays is no failure of its run.
 */
export async function removeFolder(folder: string): Promise<void> {
  left.add(folder);
  for (const path of [...left]) {
    try {
      await execute('sh', ['-c', 'chmod -R u+rwx "$0" && exec rm -rf "$0"', path], { maxBuffer: Infinity });
      left.delete(path);
    } catch (error) {
      console.error(`The folder of a run, ${path}, cannot be removed now:`, error);
    }
  }
}
