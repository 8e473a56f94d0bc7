import { readdir, readFile } from 'node:fs/promises';
import { run } from './shell.js';

/** The environment variable by which processes of a sandbox without namespaces are known. */
export const sandboxMark = 'SANDPIPER_SANDBOX';

/**
 * Finds the processes of a sandbox: on Linux by the mark in the environment they started with, which they pass
 * on; elsewhere by the process groups of its commands, which a process can leave.
 */
export async function findMarkedProcesses(id: string, groups: ReadonlySet<number>): Promise<number[]> {
  if (process.platform === 'linux') {
    const mark = `${sandboxMark}=${id}`;
    const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
    const marked = await Promise.all(
      pids.map(async (pid) => {
        const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
        return environment.split('\0').includes(mark);
      }),
    );
    return pids.filter((_, index) => marked[index]);
  }
  if (groups.size === 0) return [];
  const table = await run('ps', '-A', '-o', 'pid=,pgid=');
  return table.split('\n').flatMap((line) => {
    const [pid = 0, group = 0] = line.trim().split(/\s+/).map(Number);
    return groups.has(group) ? [pid] : [];
  });
}

/** Signals every process of a sandbox: they may start others meanwhile, so until no new ones are found. */
export async function signalMarkedProcesses(
  id: string,
  groups: ReadonlySet<number>,
  signal: NodeJS.Signals,
): Promise<void> {
  const signalled = new Set<number>();
  for (let round = 0; round < 50; round++) {
    const found = (await findMarkedProcesses(id, groups)).filter((pid) => !signalled.has(pid));
    if (found.length === 0) return;
    for (const pid of found) {
      signalled.add(pid);
      trySignal(pid, signal);
    }
  }
}

/** Kills every process of a sandbox and waits until there is none. */
export async function killMarkedProcesses(id: string, groups: ReadonlySet<number>): Promise<void> {
  for (let round = 0; round < 250; round++) {
    await signalMarkedProcesses(id, groups, 'SIGKILL');
    if ((await findMarkedProcesses(id, groups)).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Signals a process that may have ended already. */
export function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has.
  }
}
