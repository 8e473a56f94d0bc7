import { HostError } from '../../host-error.js';

/**
 * What sandboxes stand on: the system's programs, which their first process runs, too, and what the host has put
 * there.
 */
const taken = [
  '/bin',
  '/dev',
  '/etc',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/opt/node',
  '/opt/sandpiper',
  '/proc',
  '/run/sandpiper',
  '/sbin',
  '/sys',
  '/usr',
];

/** Whether one path is the other, or leads through it. */
const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);

/** @throws HostError 400 for a path that would hide what a sandbox needs. */
export function checkMountPath(path: string): void {
  const inTheWay = taken.find((one) => isWithin(path, one) || isWithin(one, path));
  if (inTheWay) throw new HostError(400, `No volume can be mounted at ${path}: ${inTheWay} is the host's.`);
}
