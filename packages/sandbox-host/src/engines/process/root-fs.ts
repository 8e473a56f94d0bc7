import { existsSync, lstatSync, statSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writePortScripts } from './ports/port-scripts.js';

/**
 * The user id of `user` in sandboxes that have a root of their own: the last of the range Debian leaves to local
 * users, so that it belongs to nobody on the host and exists in every container's id map.
 */
export const sandboxUid = 59_999;

/** Where port announcements lie inside a sandbox (see `ports/`). */
export const portsDirectory = '/run/sandpiper/ports';
/** Where the scripts that make them lie. */
export const portScripts = '/opt/sandpiper';

/** Where the host's own Node.js is found inside, wherever it is installed, and its npm. */
const nodeDirectory = '/opt/node';
const npmPackage = 'lib/node_modules/npm';
const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
/** Top-level directories of the host that programs need, seen read-only. */
const systemDirectories = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
/** Parts of the host's /etc that programs need and that hold no secrets. */
const systemSettings = [
  'alternatives',
  'ca-certificates',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'pki/ca-trust',
  'protocols',
  'resolv.conf',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
];
/** Parts of /proc that could change the machine or tell about it. */
const readOnlyProc = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
const hiddenProc = [
  'kallsyms',
  'kcore',
  'keys',
  'kmsg',
  'kpagecgroup',
  'kpagecount',
  'kpageflags',
  'latency_stats',
  'sched_debug',
  'slabinfo',
  'timer_list',
  'timer_stats',
  'vmallocinfo',
];

const users = `root:x:0:0:root:/root:/bin/bash
user:x:${sandboxUid}:${sandboxUid}:user:/home/user:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;
const groups = `root:x:0:
user:x:${sandboxUid}:
nogroup:x:65534:
`;

/** Makes the lowest layer of every sandbox: a root with users, empty mount points and nothing of the host. */
export async function makeSkeleton(root: string): Promise<void> {
  const directories = [
    'dev/pts',
    'dev/shm',
    'etc/ssl',
    'etc/pki',
    'home',
    'mnt',
    'opt/node',
    'opt/sandpiper',
  ];
  for (const name of [...directories, 'proc', 'root', 'run/sandpiper', 'srv', 'sys', 'var/lib', 'var/log']) {
    await mkdir(join(root, name), { recursive: true });
  }
  for (const name of ['tmp', 'var/tmp', portsDirectory]) {
    await mkdir(join(root, name), { recursive: true });
    await chmod(join(root, name), 0o1777);
  }
  await chmod(join(root, 'root'), 0o700);
  await mkdir(join(root, 'home/user'));
  await chown(join(root, 'home/user'), sandboxUid, sandboxUid);
  for (const name of devices) await writeFile(join(root, 'dev', name), '');
  const links = { fd: '/proc/self/fd', stdin: 'fd/0', stdout: 'fd/1', stderr: 'fd/2', ptmx: 'pts/ptmx' };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(root, 'dev', name));
  for (const directory of systemDirectories) {
    if (!existsSync(directory)) continue;
    const isLink = (await lstat(directory)).isSymbolicLink();
    if (isLink) await symlink(await readlink(directory), join(root, directory));
    else await mkdir(join(root, directory));
  }
  for (const name of systemSettings) {
    const source = join('/etc', name);
    if (!existsSync(source)) continue;
    const target = join(root, source);
    await mkdir(dirname(target), { recursive: true });
    if (statSync(source).isDirectory()) await mkdir(target);
    else await writeFile(target, '');
  }
  await writeFile(join(root, 'etc/passwd'), users);
  await writeFile(join(root, 'etc/group'), groups);
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  await writePortScripts(join(root, portScripts));
  await mkdir(join(root, nodeDirectory, 'bin'));
  await writeFile(join(root, nodeDirectory, 'bin/node'), '');
  await mkdir(join(root, nodeDirectory, npmPackage), { recursive: true });
  await symlink(`../${npmPackage}/bin/npm-cli.js`, join(root, nodeDirectory, 'bin/npm'));
  await symlink(`../${npmPackage}/bin/npx-cli.js`, join(root, nodeDirectory, 'bin/npx'));
}

/** Spaces and their like are written in octal (fstab(5)). */
function field(text: string): string {
  return text.replace(/[\s\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/**
 * Everything that is mounted in a sandbox, as an fstab(5), so that one `mount` does it all.
 *
 * @param layers - Directories, lowest first, and where to keep changes; undefined when `root` is a full copy.
 */
export function makeFstab(
  root: string,
  layers: { lower: string[]; upper: string; work: string } | undefined,
): string {
  const lines: string[] = [];
  const add = (source: string, target: string, type: string, options: string): void => {
    lines.push([field(source), field(join(root, target)), type, options, '0 0'].join(' '));
  };
  const bind = (path: string, options: string, target = path): void => {
    if (existsSync(path)) add(path, target, 'none', options);
  };
  if (layers) {
    const lower = [...layers.lower].reverse().map(field).join(':');
    add(
      'overlay',
      '/',
      'overlay',
      `lowerdir=${lower},upperdir=${field(layers.upper)},workdir=${field(layers.work)},volatile`,
    );
  } else {
    // A mount point is needed to pivot to.
    add(root, '/', 'none', 'bind');
  }
  for (const directory of systemDirectories) {
    if (existsSync(directory) && !isSymbolicLink(directory)) bind(directory, 'bind,ro,nosuid,nodev');
  }
  for (const name of systemSettings) bind(join('/etc', name), 'bind,ro,nosuid,nodev');
  // Only these two: what else lies beside them may be somebody's home.
  bind(process.execPath, 'bind,ro,nosuid,nodev', `${nodeDirectory}/bin/node`);
  const npm = join(dirname(process.execPath), '..', npmPackage);
  bind(npm, 'bind,ro,nosuid,nodev', `${nodeDirectory}/${npmPackage}`);
  add('proc', '/proc', 'proc', 'nosuid,nodev,noexec');
  for (const name of readOnlyProc) bind(join('/proc', name), 'bind,ro,nosuid,nodev,noexec');
  for (const name of hiddenProc) {
    if (existsSync(join('/proc', name))) add('/dev/null', join('/proc', name), 'none', 'bind');
  }
  add('devpts', '/dev/pts', 'devpts', 'newinstance,ptmxmode=0666,mode=0620');
  add('tmpfs', '/dev/shm', 'tmpfs', 'mode=1777,nosuid,nodev,size=64m');
  for (const name of devices) bind(join('/dev', name), 'bind');
  // Announcements are of processes, so they must not outlive them in a layer.
  add('tmpfs', portsDirectory, 'tmpfs', 'mode=1777,nosuid,nodev,noexec,size=1m');
  return `${lines.join('\n')}\n`;
}

function isSymbolicLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
