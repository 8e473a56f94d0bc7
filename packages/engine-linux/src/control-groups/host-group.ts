import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pidsIn, readGroupFile, removeGroup, writeGroupFile } from './group-files.js';
import type { Place } from './hierarchies.js';
import { isOrphan } from './host-names.js';

/** The controllers that hold sandboxes to their limits. */
export const limiting: readonly string[] = ['cpu', 'memory', 'pids'];

/** Makes this host's own group in a place; undefined, with the obstacle added, when that is not ours to write. */
export async function makeHostGroup(
  place: Place,
  name: string,
  obstacles: Set<string>,
): Promise<Place | undefined> {
  const directory = join(place.directory, name);
  try {
    await removeOrphans(place.directory);
    // A data directory's is there already.
    if (!existsSync(directory)) await mkdir(directory);
  } catch (error) {
    obstacles.add(`none can be made in ${place.directory}: ${codeOf(error)}`);
    return undefined;
  }
  if (place.version === 1) return { ...place, directory };
  if (!existsSync(join(directory, 'cgroup.freeze'))) {
    obstacles.add('version 2 cannot freeze before Linux 5.2');
    await rmdir(directory).catch(() => {});
    return undefined;
  }
  if (readGroupFile(directory, 'cgroup.type').trim() !== 'domain') {
    obstacles.add(`${place.directory} divides its processes by threads, so others cannot be put below it`);
    await rmdir(directory).catch(() => {});
    return undefined;
  }
  if (mayNotHandDown(place.directory)) {
    obstacles.add(`${place.directory} holds processes, so it cannot hand controllers down`);
    return { version: 2, directory, controllers: [] };
  }
  const given = wordsIn(place.directory, 'cgroup.controllers');
  const missing = limiting.filter((one) => !given.includes(one));
  if (missing.length > 0) obstacles.add(`${place.directory} has not been handed ${missing.join(', ')}`);
  const controllers: string[] = [];
  for (const controller of limiting.filter((one) => given.includes(one))) {
    try {
      // A controller is handed down step by step, to the host's group and from there to those of sandboxes.
      await handDown(place.directory, controller);
      await handDown(directory, controller);
      controllers.push(controller);
    } catch (error) {
      obstacles.add(`${place.directory} does not hand ${controller} down: ${codeOf(error)}`);
    }
  }
  return { version: 2, directory, controllers };
}

/**
 * Whether a group has processes of its own: but for the topmost, which has no type, such a group hands nothing down.
 * To be asked before it is tried: the kernel takes it for controllers of threads, and refuses processes below from then
 * on (cgroups(7)).
 */
function mayNotHandDown(directory: string): boolean {
  return existsSync(join(directory, 'cgroup.type')) && pidsIn(directory).length > 0;
}

async function handDown(directory: string, controller: string): Promise<void> {
  if (wordsIn(directory, 'cgroup.subtree_control').includes(controller)) return;
  await writeGroupFile(directory, 'cgroup.subtree_control', `+${controller}`);
}

function wordsIn(directory: string, file: string): string[] {
  return readGroupFile(directory, file).trim().split(' ');
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

async function removeOrphans(directory: string): Promise<void> {
  for (const name of groupsIn(directory)) {
    const orphan = join(directory, name);
    // What is made from now on, in a data directory that has come back, is not there to be removed.
    const left = groupsIn(orphan);
    if (!isOrphan(name)) continue;
    for (const group of left) await removeGroup(join(orphan, group));
    // In one breath, so that no host comes in between.
    if (isOrphan(name)) removeIfEmpty(orphan);
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Another host was faster, or something holds on to it.
  }
}

/** None where the directory has gone: hosts that start at the same time remove the same orphans. */
export function groupsIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}
