import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '../../errors.js';
import type { Command, EngineProcess, EngineSandbox, Image } from '../engine.js';
import type { ControlGroup } from './control-groups/control-group.js';
import { localFiles } from './files/local-files.js';
import { launch } from './launch.js';
import type { Launcher } from './launch-text.js';
import { trySignal } from './marked-processes.js';
import { dialPort } from './ports/dial-port.js';
import { withPorts } from './ports/port-scripts.js';
import { reportOom } from './report-oom.js';
import { makeFstab, portScripts, portsDirectory, sandboxUid } from './root-fs.js';
import { copyTree, run } from './shell.js';
import { groupStats, processStats } from './stats.js';

/** What a sandbox with namespaces of its own is made from. */
export interface NamespacedSandboxOptions {
  id: string;
  /** The sandbox's own directory on the host, not there yet. */
  directory: string;
  image: Image;
  /** The directory of a layer. */
  layerPath: (layer: string) => string;
  /** Whether layers can be laid over each other; otherwise they are copied. */
  overlay: boolean;
  group: ControlGroup | undefined;
}

/** Runs the script that follows in namespaces of its own. */
export const inNamespaces: readonly string[] = [
  'unshare',
  '--mount',
  '--pid',
  '--ipc',
  '--uts',
  '--fork',
  '--kill-child=KILL',
  'sh',
  '-c',
];

/** Sets up the root and becomes the first process: one that does nothing, and whose end is everybody's end. */
const initScript = `set -e
read -r pid _ < /proc/self/stat
hostname "$3" 2>/dev/null || true
mount -a -T "$1"
cd "$2"
mkdir .host
pivot_root . .host
umount -l /.host
rmdir /.host
echo "$pid"
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs env --ignore-signal=CHLD sleep infinity`;

/** The shell that launches: bash where there is one, since it can close what the host had open. */
const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

/** Puts itself into as many groups as the number says, named after it, and becomes what comes then. */
const joinScript = `n=$0; while [ "$n" -gt 0 ]; do echo "$$" > "$1" || exit; shift; n=$((n - 1)); done; exec "$@"`;

/** What `root` of a sandbox may do: change owners and permissions inside it, as package managers must. */
const rootCapabilities = '-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid';

/** Starts a sandbox with mount, process, IPC and host-name namespaces of its own. Needs root and Linux. */
export async function startNamespacedSandbox(options: NamespacedSandboxOptions): Promise<EngineSandbox> {
  const { id, directory, image, group } = options;
  const root = join(directory, 'root');
  const upper = options.overlay ? join(directory, 'upper') : root;
  const work = join(directory, 'work');
  for (const made of new Set([root, upper, work])) await mkdir(made, { recursive: true, mode: 0o755 });
  const lower = image.layers.map(options.layerPath);
  if (!options.overlay) for (const layer of lower) await copyTree(layer, root);
  const fstab = join(directory, 'fstab');
  await writeFile(fstab, makeFstab(root, options.overlay ? { lower, upper, work } : undefined));

  const init = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', ...inNamespaces, initScript, 'sandpiper-init', fstab, root, id],
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', detached: true, env: { PATH: process.env.PATH } },
  );
  const initPid = await waitUntilReady(init);
  // Held open, so that paths stay within this sandbox whatever process takes its number later.
  const rootFd = openSync(`/proc/${initPid}/root`, 'r');
  const anchor = `/proc/self/fd/${rootFd}`;

  const enter = ['-t', String(initPid), '-m', '-p', '-i', '-u', '--'];
  /** Signalling what has ended already is no fault. */
  const inside = (script: string): Promise<unknown> =>
    run('nsenter', ...enter, 'sh', '-c', script).catch(() => {});
  const asUser = (user: Command['user']): string[] =>
    user === 'root'
      ? [
          'setpriv',
          '--bounding-set',
          rootCapabilities,
          '--inh-caps',
          '-all',
          '--no-new-privs',
          '--clear-groups',
        ]
      : [
          'setpriv',
          '--reuid',
          String(sandboxUid),
          '--regid',
          String(sandboxUid),
          '--clear-groups',
          '--bounding-set',
          '-all',
          '--inh-caps',
          '-all',
          '--no-new-privs',
        ];
  const joinGroup = group ? ['sh', '-c', joinScript, String(group.procs.length), ...group.procs] : [];

  const launcher = (user: Command['user']): Launcher => ({
    prefix: [...joinGroup, 'nsenter', ...enter, ...asUser(user), 'setsid', shell, '-c'],
    terminalPrefix: [...joinGroup, 'nsenter', ...enter, ...asUser(user), shell, '-c'],
    signal: async (pid, signal) => {
      const name = signal.replace('SIG', '');
      // An interactive shell gets a group of its own only once it runs.
      await inside(`kill -s ${name} -- -${pid} || kill -s ${name} ${pid}`);
    },
  });
  let destroyed: Promise<void> | undefined;
  return {
    files: localFiles(anchor, { user: sandboxUid, root: 0 }),
    limits: group?.limits,
    pathInside: (path) => path,
    exec(command): Promise<EngineProcess> {
      if (destroyed) throw new HostError(404, `The sandbox ${id} is not running any more.`);
      const env = withPorts(command.env, portsDirectory, portScripts);
      return reportOom(group, () => launch(launcher(command.user), { ...command, env }));
    },
    dial: (port) => dialPort(anchor + portsDirectory, port, () => sandboxPids(initPid, group)),
    async freeze() {
      if (group) return group.freeze();
      await inside('kill -s STOP -- -1');
    },
    async thaw() {
      if (group) return group.thaw();
      await inside('kill -s CONT -- -1');
    },
    async checkpoint() {
      const layer = `${id}-${Date.now().toString(36)}`;
      await copyTree(upper, options.layerPath(layer));
      return { layers: options.overlay ? [...image.layers, layer] : [layer] };
    },
    lost: once(init, 'exit').then(() => {}),
    stats: async () => groupStats(group) ?? processStats(await sandboxPids(initPid, group)),
    destroy() {
      destroyed ??= (async () => {
        closeSync(rootFd);
        const exited = init.exitCode === null && init.signalCode === null ? once(init, 'exit') : undefined;
        // The first process of a process namespace takes all the others with it.
        if (exited) trySignal(initPid, 'SIGKILL');
        // The tools that brought processes into the namespace have to wake up to see them off. Killing those tools
        // too would leave that to the machine's own first process, which may take seconds.
        await group?.thaw();
        await exited;
        await group?.remove();
        await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      })();
      return destroyed;
    },
  };
}

/** The number, as the host counts, of a sandbox's first process once it has set up its root. */
async function waitUntilReady(init: ChildProcess): Promise<number> {
  let output = '';
  let errors = '';
  init.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  init.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-2_000);
  });
  return new Promise<number>((resolve, reject) => {
    init.stdout?.on('data', () => {
      if (output.includes('\n')) resolve(Number(output.trim()));
    });
    init.once('error', reject);
    init.once('close', () =>
      reject(new Error(`A sandbox could not be set up: ${errors.trim() || 'no reason given'}`)),
    );
  });
}

/** Every process of a sandbox but its first, as the host counts. */
async function sandboxPids(initPid: number, group: ControlGroup | undefined): Promise<number[]> {
  if (group) return group.pids();
  const space = await readlink(`/proc/${initPid}/ns/pid`);
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === initPid) continue;
    const own = await readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
    if (own === space) found.push(pid);
  }
  return found;
}
