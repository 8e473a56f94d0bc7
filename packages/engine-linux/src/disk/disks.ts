import { mkdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultDiskMB } from '@sandpiper/sandbox-engine/disk-limit';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { failureText, requireTool, run } from '@sandpiper/sandbox-engine/local/shell';
import mountDiskScript from '../supervisor/mount-disk.pl';
import { perlScript } from '../supervisor/perl-script.js';
import type { Mount } from '../supervisor/supervisor.js';
import { type BlankDisk, type DisksOptions, makeBlankDisk, writeDisk } from './blank-disk.js';
import copyDiskScript from './copy-disk.pl';

/** The least that holds a file system. */
const leastDiskMB = 16;
/** How many sizes are remembered; templates can ask for any. */
const sizesKept = 16;
/** A sandbox gets no more than this part of what is free, so that none can fill the machine's disk by itself. */
const shareOfFree = 0.9;

/**
 * The disks of sandboxes: each a file that looks as large as its limit and takes as much room as what is on it, with a
 * file system in which changes are kept.
 */
export class Disks {
  readonly #blanks = new Map<number, Promise<BlankDisk>>();

  private constructor(private readonly options: DisksOptions) {}

  /**
   * Finds out whether there can be any, by making and mounting one.
   *
   * @throws Error that says what is missing.
   */
  static async open(options: DisksOptions): Promise<Disks> {
    const { directory, remove } = options;
    await requireTool('e2fsprogs', 'mke2fs', '-V');
    // Empty, but for what a host that was killed had begun.
    await remove(directory);
    const probe = join(directory, 'probe');
    await mkdir(probe, { recursive: true });
    const disks = new Disks(options);
    try {
      await mkdir(mountPoint(probe));
      // Of the usual size, so that the first sandbox need not wait for what they are made from.
      await disks.make(imageOf(probe));
      const { flags, data } = diskMount(probe);
      const mounting = [imageOf(probe), mountPoint(probe), String(flags), data];
      await runPerl(`${mountDiskScript}${privateMounts}mount_disk(@ARGV);`, ...mounting);
    } catch (error) {
      throw new Error(`none could be mounted (${failureText(error)})`, { cause: error });
    } finally {
      await remove(probe);
    }
    return disks;
  }

  /**
   * Makes an empty disk of this size, or a smaller one where the machine has less room.
   *
   * @param asked - In megabytes. Default: 10,240.
   * @returns How large it is, in megabytes.
   * @throws HostError 507 when it has none.
   */
  async make(image: string, asked: number = defaultDiskMB): Promise<number> {
    const megabytes = await this.#fit(asked);
    let blank = this.#blanks.get(megabytes);
    if (!blank) {
      blank = makeBlankDisk(megabytes, this.options);
      const [oldest] = this.#blanks.keys();
      if (oldest !== undefined && this.#blanks.size >= sizesKept) this.#blanks.delete(oldest);
      this.#blanks.set(megabytes, blank);
      blank.catch(() => this.#blanks.delete(megabytes));
    }
    writeDisk(await blank, image);
    return megabytes;
  }

  async #fit(megabytes: number): Promise<number> {
    const { bavail, bsize } = await statfs(this.options.directory);
    const free = Math.floor((bavail * bsize * shareOfFree) / 2 ** 20);
    if (megabytes <= free) return megabytes;
    if (free < leastDiskMB) {
      throw new HostError(507, 'The machine has no disk space left for another sandbox.');
    }
    // Not every size there can be, each of which would have to be made again.
    const step = free >= 1024 ? 1024 : leastDiskMB;
    return Math.floor(free / step) * step;
  }
}

/** Where a sandbox's disk lies in its directory. */
export function imageOf(directory: string): string {
  return join(directory, 'disk.img');
}

/** Where it is mounted, as only the sandbox's first process sees it. */
export function mountPoint(directory: string): string {
  return join(directory, 'disk');
}

/** Flags of mount(2): nosuid, nodev, noatime. */
const flags = 2 | 4 | 1024;
/** What is deleted is given back at once; nothing waits for the machine's disk, and nothing is prepared unasked. */
const data = 'discard,nobarrier,noinit_itable';

/** How the first process of a sandbox mounts its disk (see mount-disk.pl). */
export function diskMount(directory: string): Mount {
  return { source: imageOf(directory), target: mountPoint(directory), type: 'ext4', flags, data };
}

/** The size of a sandbox's disk in megabytes; undefined when it has none. */
export async function diskSize(directory: string): Promise<number | undefined> {
  const found = await stat(imageOf(directory)).catch(() => undefined);
  return found && found.size / 2 ** 20;
}

/** Copies what a running sandbox has changed. */
export async function copyDisk(image: string, at: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await runPerl(`${copyDiskScript}${privateMounts}copy_disk(@ARGV);`, image, at, to);
}

/** In namespaces of its own, from which no mount is seen outside: CLONE_NEWNS, MS_REC | MS_PRIVATE. */
const privateMounts = `
call('unshare', 0x00020000);
call('mount', 'none', '/', 'none', 16384 | 1 << 18, 0);
`;

async function runPerl(body: string, ...args: string[]): Promise<void> {
  await run('perl', '-e', perlScript(body) ?? 'die "system calls are not known\n"', ...args);
}
