import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '../../../errors.js';
import type { EngineVolumes, MountedVolume } from '../../volumes.js';
import type { VolumeMount } from '../supervisor/supervisor.js';
import type { SandboxIds } from '../user-ids.js';
import { checkMountPath } from './mount-path.js';
import { volumeFiles } from './volume-files.js';

/** Volumes as directories of the host's. */
export interface VolumeDirectories extends EngineVolumes {
  /** What a sandbox is to be given. @throws HostError 400 for a place it cannot have, 409 when one is gone. */
  mounts(volumes: MountedVolume[]): VolumeMount[];
}

/** Beside the volumes, whose ids are longer. */
const stagingName = 'uploads';

/** Keeps volumes in a directory. @param ids - Whose they are; undefined where everybody is whoever runs the host. */
export async function openVolumeDirectories(
  directory: string,
  ids: SandboxIds | undefined,
): Promise<VolumeDirectories> {
  const staging = join(directory, stagingName);
  const pathOf = (id: string): string => join(directory, id);
  const take = (path: string): Promise<void> => rm(path, { recursive: true, force: true });
  // No user of the host's may come by what users of sandboxes own.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await take(staging);
  await mkdir(staging);
  return {
    async make(id) {
      const path = pathOf(id);
      await mkdir(path);
      await chmod(path, 0o755);
      if (ids) await chown(path, ids.base + ids.user, ids.base + ids.user);
    },
    async remove(id) {
      // At once, and then at leisure: nobody is given what is half gone.
      const removed = join(staging, id);
      await rename(pathOf(id), removed);
      await take(removed);
    },
    async keepOnly(kept) {
      const known = new Set([stagingName, ...kept]);
      for (const name of await readdir(directory)) if (!known.has(name)) await take(pathOf(name));
    },
    files: (id) => volumeFiles({ root: pathOf(id), staging, ids }),
    mounts: (volumes) =>
      volumes.map(({ id, path }) => {
        checkMountPath(path);
        const source = pathOf(id);
        if (!existsSync(source)) throw new HostError(409, `The volume of ${path} was destroyed.`);
        return { source, path };
      }),
  };
}
