import { statfs } from 'node:fs/promises';
import { HostError } from '@sandpiper/sandbox-engine/host-error';

/** What is kept free when nothing is said, in megabytes: for the journals, the audit log and what runs. */
export const defaultMinFreeDiskMb = 256;

/** @throws HostError 507 when the disk of a directory has less free than that. */
export async function requireFreeDisk(directory: string, minFreeDiskMb: number): Promise<void> {
  if (minFreeDiskMb === 0) return;
  const { bavail, bsize } = await statfs(directory);
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  if (free >= minFreeDiskMb) return;
  throw new HostError(
    507,
    `The disk of the host's data directory has ${free} MB left, and below ${minFreeDiskMb} MB (the option minFreeDiskMb) no sandbox is created and nothing is built.`,
  );
}

/** @throws Error for what is no size. */
export function checkMinFreeDiskMb(value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`minFreeDiskMb: must be a number of megabytes, 0 or more; it is ${value}.`);
}
