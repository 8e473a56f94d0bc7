import { readdir, readFile } from 'node:fs/promises';
import { stateOfOwner } from '../owner.js';
import { run } from './shell.js';
import { ownerOfTool } from './tool-environment.js';

/** The environment variable by which processes of a sandbox without namespaces are known. */
export const sandboxTag = 'SANDPIPER_SANDBOX';

/**
 * Finds the processes of a sandbox: on Linux by the mark in the environment they started with, which they pass
 * on; elsewhere by the process groups of its commands, which a process can leave.
 */
export async function findTaggedProcesses(id: string, groups: ReadonlySet<number>): Promise<number[]> {
  if (process.platform === 'linux') {
    const mark = `${sandboxTag}=${id}`;
    return findByEnvironment((environment) => environment.split('\0').includes(mark));
  }
  if (groups.size === 0) return [];
  const table = await run('ps', '-A', '-o', 'pid=,pgid=');
  return table.split('\n').flatMap((line) => {
    const [pid = 0, group = 0] = line.trim().split(/\s+/).map(Number);
    return groups.has(group) ? [pid] : [];
  });
}

/** Signals every process of a sandbox. */
export function signalTaggedProcesses(
  id: string,
  groups: ReadonlySet<number>,
  signal: NodeJS.Signals,
): Promise<void> {
  return signalAll(() => findTaggedProcesses(id, groups), signal);
}

/** Kills every process of a sandbox and waits until there is none. */
export function killTaggedProcesses(id: string, groups: ReadonlySet<number>): Promise<void> {
  return killAll(() => findTaggedProcesses(id, groups));
}

/**
 * Kills the tools that hosts which have died had running, and waits until there is none: what they had begun is not
 * to be done after the next host has looked at what there is.
 */
export async function killOrphanedTools(): Promise<void> {
  if (process.platform !== 'linux') return;
  const isOrphan = (environment: string): boolean => {
    const owner = ownerOfTool(environment);
    return owner !== undefined && stateOfOwner(owner) === 'dead';
  };
  await killAll(() => findByEnvironment(isOrphan));
}

/** Processes by the environment they started with (proc(5)). */
async function findByEnvironment(matches: (environment: string) => boolean): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const found = await Promise.all(
    pids.map(async (pid) => matches(await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''))),
  );
  return pids.filter((_, index) => found[index]);
}

/** Signals what is found: it may start other processes meanwhile, so until no new ones are found. */
async function signalAll(find: () => Promise<number[]>, signal: NodeJS.Signals): Promise<void> {
  const signalled = new Set<number>();
  for (let round = 0; round < 50; round++) {
    const found = (await find()).filter((pid) => !signalled.has(pid));
    if (found.length === 0) return;
    for (const pid of found) {
      signalled.add(pid);
      trySignal(pid, signal);
    }
  }
}

async function killAll(find: () => Promise<number[]>): Promise<void> {
  for (let round = 0; round < 250; round++) {
    await signalAll(find, 'SIGKILL');
    if ((await find()).length === 0) return;
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
