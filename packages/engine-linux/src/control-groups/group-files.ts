import { existsSync, readFileSync } from 'node:fs';
import { rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trySignal } from '@sandpiper/sandbox-engine/local/tagged-processes';

// Control group files are made by the kernel as they are read, without waiting for any device: reading them
// through the thread pool costs several times what it takes to read them at once.

/** What a file of a group says; empty when the group or the file is not there. */
export function readGroupFile(directory: string, file: string): string {
  try {
    return readFileSync(join(directory, file), 'utf8');
  } catch {
    return '';
  }
}

/** The value of a key in a file of the form "key value", one a line. */
export function readGroupValue(directory: string, file: string, key: string): number | undefined {
  const value = new RegExp(`^${key} (\\d+)$`, 'm').exec(readGroupFile(directory, file))?.[1];
  return value === undefined ? undefined : Number(value);
}

export function writeGroupFile(directory: string, file: string, value: string): Promise<void> {
  return writeFile(join(directory, file), value);
}

export function pidsIn(directory: string): number[] {
  return readGroupFile(directory, 'cgroup.procs').split('\n').filter(Boolean).map(Number);
}

/** Kills what is in a group and removes it; gives up after five seconds. */
export async function removeGroup(directory: string): Promise<void> {
  for (let attempt = 0; attempt < 250 && existsSync(directory); attempt++) {
    // A process that version 1 froze does not die before it is thawed.
    if (existsSync(join(directory, 'freezer.state'))) {
      await writeGroupFile(directory, 'freezer.state', 'THAWED').catch(() => {});
    }
    // All at once where that can be (version 2, Linux 5.14): nothing is born meanwhile that would have to be found.
    if (existsSync(join(directory, 'cgroup.kill'))) {
      await writeGroupFile(directory, 'cgroup.kill', '1').catch(() => {});
    } else {
      // A process of which this process namespace knows no number is said to be 0, and 0 would be our own group.
      for (const pid of pidsIn(directory)) if (pid > 0) trySignal(pid, 'SIGKILL');
    }
    const removed = await rmdir(directory).then(
      () => true,
      () => false,
    );
    if (removed) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
