import { closeSync, openSync } from 'node:fs';
import { mkdir, readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '../../errors.js';
import type { EngineSandbox, Image } from '../engine.js';
import type { ControlGroup } from './control-groups/control-group.js';
import { localFiles } from './files/local-files.js';
import { trySignal } from './marked-processes.js';
import { dialPort } from './ports/dial-port.js';
import { withPorts } from './ports/port-scripts.js';
import { reportOom } from './report-oom.js';
import { portScripts, portsDirectory, sandboxMounts, sandboxUid } from './root-fs.js';
import { copyTree } from './shell.js';
import { groupStats, processStats } from './stats.js';
import {
  isRunning,
  type Supervisor,
  type SupervisorIdentity,
  startSupervisor,
} from './supervisor/supervisor.js';

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

const userIds = { user: sandboxUid, root: 0 };

/** Starts a sandbox with mount, process, IPC and host-name namespaces of its own. Needs root, Linux and Perl. */
export async function startNamespacedSandbox(options: NamespacedSandboxOptions): Promise<EngineSandbox> {
  const { id, directory, image, group, overlay } = options;
  const { root, upper, work } = placesIn(options);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await Promise.all([...new Set([root, upper, work])].map((path) => mkdir(path, { mode: 0o755 })));
  const lower = image.layers.map(options.layerPath);
  if (!overlay) for (const layer of lower) await copyTree(layer, root);
  const supervisor = await startSupervisor({
    id,
    directory,
    root,
    mounts: sandboxMounts(root, overlay ? { lower, upper, work } : undefined),
    networkNamespace: undefined,
    endWithHost: true,
    beforeCommands: async ({ pid }) => group?.add(pid),
  });
  return namespacedSandbox(options, supervisor);
}

function placesIn({
  directory,
  overlay,
}: NamespacedSandboxOptions): Record<'root' | 'upper' | 'work', string> {
  const root = join(directory, 'root');
  return { root, upper: overlay ? join(directory, 'upper') : root, work: join(directory, 'work') };
}

function namespacedSandbox(options: NamespacedSandboxOptions, supervisor: Supervisor): EngineSandbox {
  const { id, directory, image, group } = options;
  const { pid } = supervisor.identity;
  // Held open, so that paths stay within this sandbox whatever process takes its number later.
  const rootFd = openSync(`/proc/${pid}/root`, 'r');
  const anchor = `/proc/self/fd/${rootFd}`;
  let destroyed: Promise<void> | undefined;
  return {
    files: localFiles(anchor, userIds),
    limits: group?.limits,
    pathInside: (path) => path,
    async exec(command) {
      if (destroyed) throw new HostError(404, `The sandbox ${id} is not running any more.`);
      const env = withPorts(command.env, portsDirectory, portScripts);
      return reportOom(group, () => supervisor.start({ ...command, env }, userIds[command.user]));
    },
    dial: (port) => dialPort(anchor + portsDirectory, port, () => sandboxPids(pid, group)),
    freeze: () => group?.freeze() ?? supervisor.signalAll('SIGSTOP'),
    thaw: () => group?.thaw() ?? supervisor.signalAll('SIGCONT'),
    async checkpoint() {
      const layer = `${id}-${Date.now().toString(36)}`;
      await copyTree(placesIn(options).upper, options.layerPath(layer));
      return { layers: options.overlay ? [...image.layers, layer] : [layer] };
    },
    lost: supervisor.lost,
    stats: async () => groupStats(group) ?? processStats(await sandboxPids(pid, group)),
    destroy() {
      destroyed ??= (async () => {
        closeSync(rootFd);
        await endProcesses(supervisor.identity, group);
        await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      })();
      return destroyed;
    },
  };
}

/** Ends a sandbox's processes: the first of a process namespace takes all the others with it. */
async function endProcesses(supervisor: SupervisorIdentity, group: ControlGroup | undefined): Promise<void> {
  if (isRunning(supervisor)) trySignal(supervisor.pid, 'SIGKILL');
  // What version 1 has frozen cannot die.
  await group?.thaw();
  while (isRunning(supervisor)) await new Promise((resolve) => setTimeout(resolve, 2));
  await group?.remove();
}

/** Every process of a sandbox but its first, as the host counts. */
async function sandboxPids(supervisor: number, group: ControlGroup | undefined): Promise<number[]> {
  if (group) return group.pids().filter((pid) => pid !== supervisor);
  const space = await readlink(`/proc/${supervisor}/ns/pid`);
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === supervisor) continue;
    const own = await readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
    if (own === space) found.push(pid);
  }
  return found;
}
