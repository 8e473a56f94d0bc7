import { readFile } from 'node:fs/promises';
import type { EngineStats } from '../engine.js';
import type { ControlGroup } from './control-groups/control-group.js';

/** Linux has counted in hundredths of a second towards user space for as long as it has had /proc. */
const msPerTick = 10;
const pageBytes = 4096;

/** Adds up what processes use, from /proc (proc(5)); those that have ended meanwhile count as nothing. */
export async function processStats(pids: number[]): Promise<EngineStats> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  let ticks = 0;
  let pages = 0;
  for (const text of texts) {
    // The command's name may hold spaces and brackets; fields count from after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    pages += Number(fields[21] ?? 0);
  }
  return {
    cpuMs: ticks * msPerTick,
    memoryBytes: pages * pageBytes,
    cacheBytes: 0,
    oomKills: 0,
    processes: texts.filter(Boolean).length,
  };
}

/** What a sandbox's control groups have counted; undefined where they do not count. */
export function groupStats(group: ControlGroup | undefined): EngineStats | undefined {
  const usage = group?.usage();
  return usage && group && { ...usage, processes: group.pids().length - 1, oomKills: group.oomKills() };
}
