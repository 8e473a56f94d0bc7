import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '@sandpiper/sandbox-engine/write-file-atomically';
import * as z from 'zod';
import type { EffectiveLimits } from './clamp-limits.js';
import { pidsIn, readGroupFile, readGroupValue, removeGroup, writeGroupFile } from './group-files.js';
import { reclaim } from './reclaim.js';

/** The directory that does a job for one sandbox, and of which version it is. */
export interface Group {
  version: 1 | 2;
  directory: string;
}

/** What the control groups of a sandbox can do, each where it is done. */
export interface GroupJobs {
  freeze: Group;
  cpu?: Group | undefined;
  memory?: Group | undefined;
  pids?: Group | undefined;
  /** Counts processor time. */
  account?: Group | undefined;
}

const groupSchema: z.ZodType<Group> = z.object({ version: z.literal([1, 2]), directory: z.string() });
const keptSchema: z.ZodType<{ jobs: GroupJobs; limits: EffectiveLimits }> = z.object({
  jobs: z.object({
    freeze: groupSchema,
    cpu: groupSchema.optional(),
    memory: groupSchema.optional(),
    pids: groupSchema.optional(),
    account: groupSchema.optional(),
  }),
  limits: z.object({ cpuCount: z.number(), memoryMB: z.number(), pids: z.number() }),
});

/** What the processes of a sandbox use together. */
export interface GroupUsage {
  cpuMs: number;
  /** Without what the kernel keeps of files and would give up when asked. */
  memoryBytes: number;
  cacheBytes: number;
}

const periodUs = 100_000;

/** The control groups of one sandbox, in as many hierarchies as it takes, as one. */
export class ControlGroup {
  /** Where its processes are, no place twice. */
  readonly places: Group[];

  constructor(
    readonly jobs: GroupJobs,
    /** As they are kept; what no group can keep is not said here but by the engine's capabilities. */
    readonly limits: EffectiveLimits,
  ) {
    const groups = Object.values(jobs) as (Group | undefined)[];
    const byDirectory = new Map(groups.flatMap((group) => (group ? [[group.directory, group]] : [])));
    this.places = [...byDirectory.values()];
  }

  /** Makes the groups and sets the limits. */
  async make(): Promise<void> {
    for (const { directory } of this.places) await mkdir(directory);
    for (const { directory, file, value, optional } of this.#settings())
      await writeGroupFile(directory, file, value).catch((error: unknown) => {
        if (!optional) throw error;
      });
  }

  /**
   * Puts back what another program of the machine changed: processes that were moved out of the groups, groups that were
   * removed, limits that were set to something else.
   *
   * @param first - The sandbox's first process, by which it is seen: who moves one of a unit's processes moves them all.
   * @param pids - All there are, wherever they are.
   * @returns what had been changed; undefined where nothing was.
   * @throws Error when it cannot be put back.
   */
  async mend(first: number, pids: () => Promise<number[]>): Promise<string | undefined> {
    const changed = new Set<string>();
    for (const { directory, file, value, optional } of this.#settings()) {
      const found = readGroupFile(directory, file).trim();
      // What only some kernels have, and what hibernation changes, is set but not looked at.
      if (optional || found === value) continue;
      changed.add(found === '' ? 'its control group was removed' : `${file} was set to ${found}`);
    }
    if (this.places.some(({ directory }) => !pidsIn(directory).includes(first)))
      changed.add('its processes were moved out of its control group');
    if (changed.size === 0) return undefined;
    for (const { directory } of this.places) await mkdir(directory, { recursive: true });
    const all = await pids();
    for (const { directory } of this.places) {
      for (const pid of all)
        await writeGroupFile(directory, 'cgroup.procs', String(pid)).catch((error: unknown) => {
          if (existsSync(`/proc/${pid}`)) throw error;
        });
    }
    for (const { directory, file, value, optional } of this.#settings())
      await writeGroupFile(directory, file, value).catch((error: unknown) => {
        if (!optional) throw error;
      });
    return [...changed].join(', ');
  }

  #settings(): { directory: string; file: string; value: string; optional?: boolean }[] {
    const { cpu, memory, pids } = this.jobs;
    const { cpuCount, memoryMB } = this.limits;
    const quotaUs = Math.max(1_000, Math.round(cpuCount * periodUs));
    const bytes = String(memoryMB * 2 ** 20);
    return [
      ...(cpu?.version === 2
        ? [{ ...cpu, file: 'cpu.max', value: `${quotaUs} ${periodUs}` }]
        : cpu
          ? [{ ...cpu, file: 'cpu.cfs_quota_us', value: `${quotaUs}` }]
          : []),
      ...(memory?.version === 2
        ? [
            { ...memory, file: 'memory.max', value: bytes },
            // Not with kernels without swap accounting.
            { ...memory, file: 'memory.swap.max', value: '0', optional: true },
          ]
        : memory
          ? [
              { ...memory, file: 'memory.limit_in_bytes', value: bytes },
              // Memory and swap together, so what is pushed out is counted on.
              { ...memory, file: 'memory.memsw.limit_in_bytes', value: bytes, optional: true },
            ]
          : []),
      ...(pids ? [{ ...pids, file: 'pids.max', value: String(this.limits.pids) }] : []),
    ];
  }

  /** Writes down where the groups are, for a host that comes after this one. */
  keep(file: string): Promise<void> {
    return writeFileAtomically(file, JSON.stringify({ jobs: this.jobs, limits: this.limits }));
  }

  /** The groups that {@link keep} wrote down; undefined when there is no such file. @throws when it is damaged. */
  static async reopen(file: string): Promise<ControlGroup | undefined> {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const { jobs, limits } = keptSchema.parse(JSON.parse(text));
    return new ControlGroup(jobs, limits);
  }

  pids(): number[] {
    return pidsIn(this.jobs.freeze.directory);
  }

  isFrozen(): boolean {
    const { version, directory } = this.jobs.freeze;
    return version === 2
      ? readGroupFile(directory, 'cgroup.freeze').trim() === '1'
      : readGroupFile(directory, 'freezer.state').trim() === 'FROZEN';
  }

  /** @throws Error when some process cannot be stopped in time; then none is. */
  async freeze(): Promise<void> {
    try {
      await this.#setFrozen(true);
    } catch (error) {
      // Else the others would stand still, and this one as soon as it can, in a sandbox that is said to run.
      await this.#setFrozen(false).catch(() => {});
      throw error;
    }
  }

  async thaw(): Promise<void> {
    await this.#setFrozen(false);
    const { memory } = this.jobs;
    // Swap is for what sleeps, not for more memory than the limit says.
    if (memory?.version === 2) await writeGroupFile(memory.directory, 'memory.swap.max', '0').catch(() => {});
  }

  /** What its processes use and have used; undefined where that is not counted. */
  usage(): GroupUsage | undefined {
    const { account, memory } = this.jobs;
    if (!account || !memory) return undefined;
    const cpuMs =
      account.version === 2
        ? (readGroupValue(account.directory, 'cpu.stat', 'usage_usec') ?? 0) / 1_000
        : Number(readGroupFile(account.directory, 'cpuacct.usage')) / 1e6;
    const stat = readGroupFile(memory.directory, 'memory.stat');
    const value = (key: string): number => Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
    // Files that live in memory only cannot be given up.
    const cacheBytes = Math.max(0, value(memory.version === 2 ? 'file' : 'cache') - value('shmem'));
    return { cpuMs, memoryBytes: Math.max(0, this.residentBytes() - cacheBytes), cacheBytes };
  }

  /** Memory of the machine that is in use by it, of whatever kind. */
  residentBytes(): number {
    const { memory } = this.jobs;
    if (!memory) return 0;
    const file = memory.version === 2 ? 'memory.current' : 'memory.usage_in_bytes';
    return Number(readGroupFile(memory.directory, file));
  }

  /**
   * Has the kernel push its memory out to swap, and settles when that has been done as far as it can be.
   *
   * @param signal - Stops it half-way: what is out stays out until it is needed.
   */
  async pushOut(signal?: AbortSignal): Promise<void> {
    const { memory } = this.jobs;
    if (!memory) throw new Error('There is no control group of its memory.');
    const { version, directory } = memory;
    if (version === 1) return reclaim(directory, 'memory.force_empty', '1', signal);
    await writeGroupFile(directory, 'memory.swap.max', String(this.limits.memoryMB * 2 ** 20));
    if (existsSync(join(directory, 'memory.reclaim'))) {
      return reclaim(directory, 'memory.reclaim', String(this.residentBytes()), signal);
    }
    // Kernels before 5.19: a lower bound makes it give back what is above.
    try {
      await reclaim(directory, 'memory.high', '0', signal);
    } finally {
      await writeGroupFile(directory, 'memory.high', 'max');
    }
  }

  /** How many processes the kernel has killed because there was no memory left for them. */
  oomKills(): number {
    const { memory } = this.jobs;
    if (!memory) return 0;
    const file = memory.version === 2 ? 'memory.events' : 'memory.oom_control';
    return readGroupValue(memory.directory, file, 'oom_kill') ?? 0;
  }

  /** Kills what is in it and removes it. */
  async remove(): Promise<void> {
    // First where freezing is done: what is frozen cannot die elsewhere.
    for (const { directory } of this.places) await removeGroup(directory);
  }

  async #setFrozen(frozen: boolean): Promise<void> {
    const { version, directory } = this.jobs.freeze;
    const value = version === 2 ? (frozen ? '1' : '0') : frozen ? 'FROZEN' : 'THAWED';
    await writeGroupFile(directory, version === 2 ? 'cgroup.freeze' : 'freezer.state', value);
    // Freezing is asked for, then happens: done only when the kernel says so.
    const stateFile = version === 2 ? 'cgroup.events' : 'freezer.state';
    const settled = version === 2 ? `frozen ${frozen ? 1 : 0}` : value;
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; ) {
      if (readGroupFile(directory, stateFile).includes(settled)) return;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const hint = frozen
      ? ': a process in it waits for a device, and cannot be stopped before that answers'
      : '';
    throw new Error(`The control group did not become ${frozen ? 'frozen' : 'thawed'} within 5 s${hint}.`);
  }
}
