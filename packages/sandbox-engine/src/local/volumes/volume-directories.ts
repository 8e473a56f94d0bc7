import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '../../host-error.js';
import type { EngineVolumes, MountedVolume } from '../../volumes.js';
import type { Remove } from '../files/trash.js';
import type { SandboxIds } from '../sandbox-ids.js';
import { checkMountPath } from './mount-path.js';
import { volumeFiles } from './volume-files.js';

/** A directory of the host's that is mounted where the sandbox's own paths lead, and none of its links. */
export interface VolumeMount {
  source: string;
  /** Absolute, inside the sandbox. What is missing of it is made. */
  path: string;
}

/** Volumes as directories of the host's. */
export interface VolumeDirectories extends EngineVolumes {
  /** What a sandbox is to be given. @throws HostError 400 for a place it cannot have, 409 when one is gone. */
  mounts(volumes: MountedVolume[]): VolumeMount[];
}

/** Beside the volumes, whose ids are longer. */
const stagingName = 'uploads';

/** How volumes are kept. */
export interface VolumeDirectoriesOptions {
  directory: string;
  /** Whose they are; undefined where all users are the one who runs the host. */
  ids: SandboxIds | undefined;
  remove: Remove;
  /** Puts aside a directory that is no volume's. */
  putAside: (path: string) => Promise<void>;
}

/** Keeps volumes in a directory. */
export async function openVolumeDirectories({
  directory,
  ids,
  remove,
  putAside,
}: VolumeDirectoriesOptions): Promise<VolumeDirectories> {
  const staging = join(directory, stagingName);
  const pathOf = (id: string): string => join(directory, id);
  // No user of the host's may come by what users of sandboxes own.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await remove(staging);
  await mkdir(staging);
  return {
    async make(id) {
      const path = pathOf(id);
      await mkdir(path);
      await chmod(path, 0o755);
      if (ids) await chown(path, ids.base + ids.user, ids.base + ids.user);
    },
    remove: (id) => remove(pathOf(id)),
    async keepOnly(kept) {
      const known = new Set([stagingName, ...kept]);
      for (const name of await readdir(directory)) if (!known.has(name)) await putAside(pathOf(name));
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
