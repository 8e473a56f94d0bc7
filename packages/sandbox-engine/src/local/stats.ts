import { readFile, statfs } from 'node:fs/promises';
import type { EngineStats } from '../engine.js';

/** Linux has counted in hundredths of a second towards user space for as long as it has had /proc. */
const msPerTick = 10;
const pageBytes = 4096;

/** What is used of a file system, and how large it is. */
type DiskStats = Pick<EngineStats, 'diskUsedBytes' | 'diskTotalBytes'>;
export type ProcessStats = Omit<EngineStats, keyof DiskStats>;

/** What there is of the disk on which the changes of a sandbox lie: its own, or the machine's where it has none. */
export async function diskStats(root: string): Promise<DiskStats> {
  const { blocks, bavail, bsize } = await statfs(root);
  return { diskUsedBytes: (blocks - bavail) * bsize, diskTotalBytes: blocks * bsize };
}

/** Adds up what processes use, from /proc (proc(5)); those that have ended meanwhile count as nothing. */
export async function processStats(pids: number[]): Promise<ProcessStats> {
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
