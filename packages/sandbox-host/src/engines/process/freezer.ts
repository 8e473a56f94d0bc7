import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../../is-alive.js';

/** A control group that holds the processes of one sandbox. */
export interface ControlGroup {
  /** The file to which a process writes its number to join. */
  procs: string;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  pids(): Promise<number[]>;
  remove(): Promise<void>;
}

/** Where this machine lets the host make control groups, and of which version they are. */
export interface FreezerLayout {
  version: 1 | 2;
  directory: string;
}

/** Groups are named after the process that made them, so that those of a dead host can be told. */
const prefix = 'sandpiper-';
let hostsHere = 0;

/**
 * Finds a hierarchy that can freeze and be written to; version 2 first, since what it froze can still be killed.
 * Makes a group in it for this host, and removes those of hosts that have died.
 */
export async function findFreezer(): Promise<FreezerLayout | undefined> {
  const [mounts, own] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
    readFile('/proc/self/cgroup', 'utf8').catch(() => ''),
  ]);
  const candidates = mounts.split('\n').flatMap((line): FreezerLayout[] => {
    // proc_pid_mountinfo(5): optional fields end with " - ", then type, source and options.
    const [head = '', tail = ''] = line.split(' - ');
    const [, , , , mountPoint = ''] = head.split(' ');
    const [type, , options = ''] = tail.split(' ');
    if (type === 'cgroup2') {
      return [{ version: 2, directory: join(mountPoint, /^0::(.*)$/m.exec(own)?.[1] ?? '/') }];
    }
    if (type === 'cgroup' && options.split(',').includes('freezer')) {
      return [{ version: 1, directory: join(mountPoint, /:freezer:(.*)$/m.exec(own)?.[1] ?? '/') }];
    }
    return [];
  });
  candidates.sort((a, b) => b.version - a.version);
  for (const { version, directory } of candidates) {
    const made = join(directory, `${prefix}${process.pid}-${++hostsHere}`);
    try {
      await removeOrphans(version, directory);
      await mkdir(made);
      if (existsSync(join(made, version === 2 ? 'cgroup.freeze' : 'freezer.state'))) {
        return { version, directory: made };
      }
      await rmdir(made);
    } catch {
      // Not ours to write: try the next.
    }
  }
  return undefined;
}

async function removeOrphans(version: 1 | 2, directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue;
    const orphan = join(directory, name);
    for (const entry of await readdir(orphan, { withFileTypes: true })) {
      if (entry.isDirectory()) await openControlGroup(version, join(orphan, entry.name)).remove();
    }
    await rmdir(orphan).catch(() => {});
  }
}

/** Makes the control group of one sandbox. */
export async function makeControlGroup(layout: FreezerLayout, id: string): Promise<ControlGroup> {
  const directory = join(layout.directory, id);
  await mkdir(directory);
  return openControlGroup(layout.version, directory);
}

function openControlGroup(version: 1 | 2, directory: string): ControlGroup {
  const procs = join(directory, 'cgroup.procs');
  const write = (file: string, value: string): Promise<void> => writeFile(join(directory, file), value);
  const pids = async (): Promise<number[]> => {
    const text = await readFile(procs, 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean).map(Number);
  };
  const set = async (frozen: boolean): Promise<void> => {
    const file = version === 2 ? 'cgroup.freeze' : 'freezer.state';
    const value = version === 2 ? (frozen ? '1' : '0') : frozen ? 'FROZEN' : 'THAWED';
    await write(file, value);
    // Freezing is asked for, then happens: done only when the kernel says so.
    const stateFile = version === 2 ? 'cgroup.events' : 'freezer.state';
    const settled = version === 2 ? `frozen ${frozen ? 1 : 0}` : value;
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; ) {
      if ((await readFile(join(directory, stateFile), 'utf8')).includes(settled)) return;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`The control group did not become ${frozen ? 'frozen' : 'thawed'} within 5 s.`);
  };
  return {
    procs,
    pids,
    freeze: () => set(true),
    thaw: () => set(false),
    async remove() {
      for (let attempt = 0; attempt < 250 && existsSync(directory); attempt++) {
        // A process that version 1 froze does not die before it is thawed.
        if (version === 1) await write('freezer.state', 'THAWED').catch(() => {});
        for (const pid of await pids()) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // Gone meanwhile.
          }
        }
        const removed = await rmdir(directory).then(
          () => true,
          () => false,
        );
        if (removed) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}
