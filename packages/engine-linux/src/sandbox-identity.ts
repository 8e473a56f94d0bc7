import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where programs look for which sandbox they are in, as in E2B's. */
export const identityPlace = '/run/e2b';
/** What programs take for the id of the machine's start. */
export const bootIdPlace = '/proc/sys/kernel/random/boot_id';

/** Files that say which sandbox this is, and which start of it; kept beside its files, where it cannot change them. */
export interface SandboxIdentity {
  directory: string;
  bootId: string;
}

/** Writes what one start of a sandbox knows of itself: a sandbox that starts again has another boot id. */
export async function writeIdentity(sandboxDirectory: string, id: string): Promise<SandboxIdentity> {
  const directory = join(sandboxDirectory, 'identity');
  const bootId = join(sandboxDirectory, 'boot-id');
  await mkdir(directory, { recursive: true, mode: 0o755 });
  // A file that is mounted still is never written to.
  await rm(bootId, { force: true });
  await Promise.all([
    writeFile(bootId, `${randomUUID()}\n`),
    writeFile(join(directory, '.E2B_SANDBOX'), 'true'),
    writeFile(join(directory, '.E2B_SANDBOX_ID'), id),
  ]);
  return { directory, bootId };
}
