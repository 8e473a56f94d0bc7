import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process of a session. */
export interface Member {
  pid: number;
  threads: number;
}

/** The processes that a session's leader has started, itself included, whichever group they are in by now. */
export async function sessionMembers(leader: number): Promise<Member[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  return stats.flatMap((stat, index) => {
    // proc(5): after the name in brackets come state, parent, group, session …, and as 18th the number of threads.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ended = fields[0] === 'Z' || fields[0] === 'X';
    if (ended || Number(fields[3]) !== leader) return [];
    return [{ pid: Number(pids[index]), threads: Number(fields[17]) }];
  });
}

/** Kills a session's processes until none is left. */
export async function endSession(leader: number): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const members = await sessionMembers(leader);
    if (members.length === 0) return;
    for (const { pid } of members) kill(pid);
    await sleep(20);
  }
}

/** Kills a process, or with a negative number a group, that may have ended already. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has.
  }
}
