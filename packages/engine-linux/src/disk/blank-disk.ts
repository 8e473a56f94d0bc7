import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { chown, mkdir, mkdtemp, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';
import type { SandboxIds } from '@sandpiper/sandbox-engine/local/sandbox-ids';
import { run } from '@sandpiper/sandbox-engine/local/shell';
import extentsScript from './extents.pl';

/**
 * What every kernel that has overlays knows, and no more: what a newer mke2fs would add by itself is of no use here. No
 * journal, since nothing in a sandbox is promised to survive the machine.
 */
const features =
  'none,extent,64bit,flex_bg,metadata_csum,sparse_super2,dir_index,filetype,ext_attr,large_file,huge_file,dir_nlink,extra_isize';
/** One file for this many bytes; beyond that there is room for contents, but not for more files. */
const bytesPerFile = 16_384;

/** Where disks are prepared, and whose they are. */
export interface DisksOptions {
  /** Where they are tried and prepared. It belongs to them. */
  directory: string;
  ids: SandboxIds;
  remove: Remove;
}

/** A disk with nothing on it: a few dozen kilobytes, wherever on the disk they are. */
export interface BlankDisk {
  megabytes: number;
  parts: { at: number; bytes: Buffer }[];
}

/** Makes an empty ext4 file system with the directories of an overlay. @throws when there is no mke2fs. */
export async function makeBlankDisk(
  megabytes: number,
  { directory, ids, remove }: DisksOptions,
): Promise<BlankDisk> {
  const made = await mkdtemp(join(directory, 'disk-'));
  try {
    const seed = join(made, 'seed');
    const image = join(made, 'image');
    for (const name of ['upper', 'work']) await mkdir(join(seed, name), { recursive: true, mode: 0o755 });
    // What changes are kept in is the root that is seen inside.
    await chown(join(seed, 'upper'), ids.base, ids.base);
    // No identifier: many disks would have the same.
    const settings = ['-b', '4096', '-I', '256', '-m', '0', '-U', 'clear', '-i', String(bytesPerFile)];
    const extended = 'lazy_itable_init=1,nodiscard,num_backup_sb=0';
    const form = [...settings, '-O', features, '-E', extended, '-d', seed];
    await run('mke2fs', '-q', '-F', '-t', 'ext4', ...form, image, `${megabytes}M`);
    const lines = (await run('perl', '-e', extentsScript, image)).trim().split('\n');
    const file = await open(image, 'r');
    try {
      const parts: BlankDisk['parts'] = [];
      for (const line of lines) {
        const [at = 0, length = 0] = line.split(' ').map(Number);
        const { buffer: bytes } = await file.read(Buffer.alloc(length), 0, length, at);
        if (bytes.some((byte) => byte !== 0)) parts.push({ at, bytes });
      }
      return { megabytes, parts };
    } finally {
      await file.close();
    }
  } finally {
    await remove(made);
  }
}

/**
 * Writes it to a new file, which takes no more room than what is on it. At once: that is over before one of the few threads
 * that other parts of a creation keep busy would have begun with it.
 */
export function writeDisk({ megabytes, parts }: BlankDisk, image: string): void {
  const file = openSync(image, 'wx', 0o600);
  try {
    ftruncateSync(file, megabytes * 2 ** 20);
    for (const { at, bytes } of parts) writeSync(file, bytes, 0, bytes.length, at);
  } finally {
    closeSync(file);
  }
}
