import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** A place where the host may make control groups. */
export interface Place {
  version: 1 | 2;
  directory: string;
  /** What groups made here can control; for version 2 known once one has been made. */
  controllers: string[];
}

/** Every place where this process may try to make control groups (cgroups(7)), most fitting first. */
export async function findPlaces(): Promise<Place[]> {
  const [mounts, memberships] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
    readFile('/proc/self/cgroup', 'utf8').catch(() => ''),
  ]);
  const own = parseMemberships(memberships);
  const places = mounts.split('\n').flatMap((line): Place[] => {
    // proc_pid_mountinfo(5): optional fields end with " - ", then type, source and options.
    const [head = '', tail = ''] = line.split(' - ');
    const [, , , root = '/', mountPoint = ''] = head.split(' ');
    const [type, , options = ''] = tail.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const controllers = type === 'cgroup' ? options.split(',') : [];
    const membership = own.get(type === 'cgroup2' ? '' : (controllers.find((name) => own.has(name)) ?? ''));
    // A container may see only its own part of a hierarchy.
    const directory = join(mountPoint, relative(root, membership ?? root));
    if (type === 'cgroup') return [{ version: 1, directory, controllers }];
    // Where the host's own group holds processes, only the topmost can hand controllers down (cgroups(7)).
    const directories = [...new Set([directory, mountPoint])];
    return directories.map((one) => ({ version: 2, directory: one, controllers }));
  });
  return places.sort((a, b) => b.version - a.version);
}

/** The group this process is in, by controller; version 2 goes by the empty name. */
function parseMemberships(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) continue;
    for (const name of names.split(',')) found.set(name, path);
  }
  return found;
}
