import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '@sandpiper/sandbox-engine/engine';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';
import type { SandboxIds } from '@sandpiper/sandbox-engine/local/sandbox-ids';
import { copyTree } from '@sandpiper/sandbox-engine/local/shell';
import type { RootLayers } from '../root-fs.js';
import { copyDisk, type Disks, diskMount, diskSize, imageOf, mountPoint } from './disks.js';

/** Where the files of a sandbox are. */
export interface ChangesPlace {
  /** The sandbox's own directory on the host. */
  directory: string;
  /** Whether layers can be laid over each other; otherwise they are copied. */
  overlay: boolean;
}

/** What changes are kept beside of. */
export interface ChangesOptions extends ChangesPlace {
  image: Image;
  /** The directory of a layer. */
  layerPath: (layer: string) => string;
  ids: SandboxIds;
  /** Undefined where there are none: what is kept is then not limited. */
  disks: Disks | undefined;
  diskMB: number | undefined;
  remove: Remove;
}

/**
 * Makes ready what a sandbox's root is made of: its layers, and where changes to them are kept. That is a disk of its own,
 * a directory, or the root itself as a copy of the layers. Changes that are there already are gone on with where they are.
 */
export async function prepareChanges(
  options: ChangesOptions,
): Promise<{ root: string; layers: RootLayers | undefined; diskMB: number | undefined }> {
  const { directory, image, overlay, ids, disks } = options;
  const isNew = (await mkdir(directory, { recursive: true, mode: 0o700 })) !== undefined;
  const root = join(directory, 'root');
  const lower = image.layers.map(options.layerPath);
  if (!overlay) {
    await makeDirectories(root);
    await chown(root, ids.base, ids.base);
    if (isNew) for (const layer of lower) await copyTree(layer, root);
    return { root, layers: undefined, diskMB: undefined };
  }
  const disk = diskMount(directory);
  const making = isNew ? disks?.make(imageOf(directory), options.diskMB) : diskSize(directory);
  const [diskMB] = await Promise.all([making, makeDirectories(root, disk.target)]);
  if (diskMB !== undefined) return { root, layers: { lower, ...placesBelow(disk.target), disk }, diskMB };
  const { upper, work } = placesBelow(directory);
  // A mount that need not survive the machine refuses to be made over what another has left.
  if (!isNew) await options.remove(work);
  await makeDirectories(upper, work);
  // What changes are kept in is the root that is seen inside.
  await chown(upper, ids.base, ids.base);
  return { root, layers: { lower, upper, work, disk: undefined }, diskMB };
}

async function makeDirectories(...paths: string[]): Promise<void> {
  await Promise.all(paths.map((path) => mkdir(path, { recursive: true, mode: 0o755 })));
}

/** Copies what a running sandbox has changed, or without layers all there is. */
export async function copyChanges({ directory, overlay }: ChangesPlace, to: string): Promise<void> {
  if ((await diskSize(directory)) !== undefined)
    return copyDisk(imageOf(directory), mountPoint(directory), to);
  await copyTree(overlay ? placesBelow(directory).upper : join(directory, 'root'), to);
}

function placesBelow(directory: string): { upper: string; work: string } {
  return { upper: join(directory, 'upper'), work: join(directory, 'work') };
}
