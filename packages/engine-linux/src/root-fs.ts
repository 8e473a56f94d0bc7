import { existsSync, lstatSync, statSync } from 'node:fs';
import { chmod, lstat, mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { linkPython, writeShellFiles } from '@sandpiper/sandbox-engine/local/home-files';
import { writePortScripts } from '@sandpiper/sandbox-engine/local/ports/port-scripts';
import type { SandboxIds } from '@sandpiper/sandbox-engine/local/sandbox-ids';
import { run } from '@sandpiper/sandbox-engine/local/shell';
import { bootIdPlace, identityPlace, type SandboxIdentity } from './sandbox-identity.js';
import type { Mount } from './supervisor/supervisor.js';

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
  'chromium.d',
  'fonts',
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

const passwd = (user: number): string => `root:x:0:0:root:/root:/bin/bash
user:x:${user}:${user}:user:/home/user:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;
const group = (user: number): string => `root:x:0:
user:x:${user}:
nogroup:x:65534:
`;

/** Makes the lowest layer of every sandbox: a root with users, empty mount points and nothing of the host. */
export async function makeSkeleton(root: string, { base, user }: SandboxIds): Promise<void> {
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
  for (const name of [
    ...directories,
    'proc',
    'root',
    'run/sandpiper',
    identityPlace,
    'srv',
    'sys',
    'var/lib',
    'var/log',
  ]) {
    await mkdir(join(root, name), { recursive: true });
  }
  for (const name of ['tmp', 'var/tmp', portsDirectory]) {
    await mkdir(join(root, name), { recursive: true });
    await chmod(join(root, name), 0o1777);
  }
  await chmod(join(root, 'root'), 0o700);
  await mkdir(join(root, 'home/user'));
  for (const home of ['root', 'home/user']) await writeShellFiles(join(root, home));
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
    if (!existsSync(source) && name !== 'resolv.conf') continue;
    const target = join(root, source);
    await mkdir(dirname(target), { recursive: true });
    if (existsSync(source) && statSync(source).isDirectory()) await mkdir(target);
    else await writeFile(target, '');
  }
  await writeFile(join(root, 'etc/passwd'), passwd(user));
  await writeFile(join(root, 'etc/group'), group(user));
  // Debian's pip keeps off what Debian's packages own (PEP 668), which is read-only here: it installs into the home.
  await writeFile(join(root, 'etc/pip.conf'), '[global]\nbreak-system-packages = true\n');
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  await writePortScripts(join(root, portScripts));
  await mkdir(join(root, nodeDirectory, 'bin'));
  await writeFile(join(root, nodeDirectory, 'bin/node'), '');
  await mkdir(join(root, nodeDirectory, npmPackage), { recursive: true });
  await symlink(`../${npmPackage}/bin/npm-cli.js`, join(root, nodeDirectory, 'bin/npm'));
  await symlink(`../${npmPackage}/bin/npx-cli.js`, join(root, nodeDirectory, 'bin/npx'));
  await linkPython(join(root, nodeDirectory, 'bin'));
  await run('chown', '-hR', `${base}:${base}`, root);
  await run('chown', '-hR', `${base + user}:${base + user}`, join(root, 'home/user'));
}

/** Flags of mount(2). */
const readOnly = 1;
const nosuid = 2;
const nodev = 4;
const noexec = 8;
const bind = 4096;

/** Directories that are laid over each other. */
export interface RootLayers {
  /** Read-only, lowest first. */
  lower: string[];
  /** Where changes are kept, and what the kernel needs beside it. */
  upper: string;
  work: string;
  /** On which these two lie, if not on the machine's. */
  disk: Mount | undefined;
}

/**
 * Everything that is mounted in a sandbox, in order.
 *
 * @param layers - Undefined when `root` is a full copy.
 * @param resolvConf - The resolv.conf(5) of sandboxes with a network of their own; undefined for the host's.
 */
export function sandboxMounts(
  root: string,
  layers: RootLayers | undefined,
  resolvConf: string | undefined,
  identity: SandboxIdentity,
  { base }: SandboxIds,
): Mount[] {
  const mounts: Mount[] = [];
  const add = (source: string, target: string, type: string, flags: number, data = ''): void => {
    mounts.push({ source, target: join(root, target), type, flags, data });
  };
  const addBind = (source: string, flags: number, target = source): void => {
    if (existsSync(source)) add(source, target, 'none', bind | flags);
  };
  const system = readOnly | nosuid | nodev;
  // What is written to a device gets there all the same; its mode and owner stay the machine's.
  const device = readOnly | nosuid | noexec;
  const ofRoot = `uid=${base},gid=${base}`;
  if (layers) {
    if (layers.disk) mounts.push(layers.disk);
    const lower = [...layers.lower].reverse().join(':');
    // A file keeps its number when its first change brings it to the disk (xino): git, for one, looks at it.
    const data = `lowerdir=${lower},upperdir=${layers.upper},workdir=${layers.work},volatile,xino=on`;
    add('overlay', '/', 'overlay', 0, data);
  } else {
    // A mount point is needed to pivot to.
    add(root, '/', 'none', bind);
  }
  for (const directory of systemDirectories) {
    if (existsSync(directory) && !isSymbolicLink(directory)) addBind(directory, system);
  }
  for (const name of systemSettings) {
    const file = join('/etc', name);
    // What was installed on the host after the lowest layer was made has no place there.
    if (!existsSync(join(layers?.lower[0] ?? root, file))) continue;
    addBind(name === 'resolv.conf' ? (resolvConf ?? file) : file, system, file);
  }
  // Only these two: what else lies beside them may be somebody's home.
  addBind(process.execPath, system, `${nodeDirectory}/bin/node`);
  const npm = join(dirname(process.execPath), '..', npmPackage);
  addBind(npm, system, `${nodeDirectory}/${npmPackage}`);
  add('proc', '/proc', 'proc', nosuid | nodev | noexec);
  for (const name of readOnlyProc) addBind(join('/proc', name), system | noexec);
  for (const name of hiddenProc) {
    if (existsSync(join('/proc', name))) addBind('/dev/null', device, join('/proc', name));
  }
  addBind(identity.bootId, system | noexec, bootIdPlace);
  // A lowest layer that others run on may be of an earlier version.
  if (existsSync(join(layers?.lower[0] ?? root, identityPlace)))
    addBind(identity.directory, system | noexec, identityPlace);
  add('devpts', '/dev/pts', 'devpts', 0, 'newinstance,ptmxmode=0666,mode=0620');
  add('tmpfs', '/dev/shm', 'tmpfs', nosuid | nodev, `${ofRoot},mode=1777,size=64m`);
  for (const name of devices) addBind(join('/dev', name), device);
  // Announcements are of processes, so they must not outlive them in a layer.
  if (!resolvConf)
    add('tmpfs', portsDirectory, 'tmpfs', nosuid | nodev | noexec, `${ofRoot},mode=1777,size=1m`);
  return mounts;
}

function isSymbolicLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
