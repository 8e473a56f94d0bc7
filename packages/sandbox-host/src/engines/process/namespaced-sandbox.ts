import { closeSync, openSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '../../errors.js';
import { writeWhole } from '../../write-whole.js';
import type { AdoptedSandbox, EngineProcess, EngineSandbox, Image } from '../engine.js';
import { ControlGroup } from './control-groups/control-group.js';
import { localFiles } from './files/local-files.js';
import { hibernate } from './hibernate.js';
import { trySignal } from './marked-processes.js';
import type { SandboxNetwork } from './network/sandbox-networks.js';
import { dialPort } from './ports/dial-port.js';
import { withPorts } from './ports/port-scripts.js';
import { reportOom } from './report-oom.js';
import { portScripts, portsDirectory, sandboxMounts } from './root-fs.js';
import { copyTree } from './shell.js';
import { groupStats, processStats } from './stats.js';
import type { FirstProcesses } from './supervisor/first-processes.js';
import {
  findSupervisor,
  isRunning,
  type Supervisor,
  type SupervisorIdentity,
  startSupervisor,
  supervisorIdentitySchema,
  type VolumeMount,
} from './supervisor/supervisor.js';
import type { SandboxIds } from './user-ids.js';

/** What a sandbox with namespaces of its own is made from. */
export interface NamespacedSandboxOptions {
  id: string;
  /** The sandbox's own directory on the host. Where it is there, its files are what the sandbox starts with. */
  directory: string;
  image: Image;
  /** The directory of a layer. */
  layerPath: (layer: string) => string;
  /** Whether layers can be laid over each other; otherwise they are copied. */
  overlay: boolean;
  ids: SandboxIds;
  group: ControlGroup | undefined;
  /** Undefined where sandboxes have to share the host's. */
  network: SandboxNetwork | undefined;
}

/** What the next host needs to find the sandbox again: its first process, and its control groups. */
const supervisorFile = 'supervisor.json';
const groupsFile = 'control-groups.json';

/** Starts a sandbox with mount, process, IPC and host-name namespaces of its own. Needs root, Linux and Perl. */
export async function startNamespacedSandbox(
  options: Omit<NamespacedSandboxOptions, 'group' | 'network'> & {
    /** The control groups it is to be in; undefined where there are none. */
    makingGroup: Promise<ControlGroup> | undefined;
    /** Undefined where sandboxes have to share the host's. */
    makingNetwork: Promise<SandboxNetwork> | undefined;
    /** Whether the kernel is to end the sandbox when the host ends, however that comes. */
    endWithHost: boolean;
    volumes: VolumeMount[];
    firstProcesses: FirstProcesses;
  },
): Promise<EngineSandbox> {
  const { id, directory, image, overlay, ids, endWithHost, volumes, firstProcesses } = options;
  const { root, upper, work } = placesIn(options);
  const isNew = (await mkdir(directory, { recursive: true, mode: 0o700 })) !== undefined;
  // A mount that need not survive the machine refuses to be made over what another has left.
  if (!isNew) await rm(work, { recursive: true, force: true });
  await Promise.all([root, upper, work].map((path) => mkdir(path, { recursive: true, mode: 0o755 })));
  // What changes are kept in is the root that is seen inside.
  await chown(upper, ids.base, ids.base);
  const lower = image.layers.map(options.layerPath);
  if (!overlay && isNew) for (const layer of lower) await copyTree(layer, root);
  const group = await options.makingGroup;
  const network = await options.makingNetwork;
  const supervisor = await startSupervisor(firstProcesses.take(), {
    id,
    directory,
    root,
    mounts: sandboxMounts(root, overlay ? { lower, upper, work } : undefined, network?.resolvConf, ids),
    volumes,
    groups: group?.places ?? [],
    networkNamespace: network?.netns,
    endWithHost,
    async beforeCommands(identity) {
      await Promise.all([
        writeWhole(join(directory, supervisorFile), JSON.stringify(identity)),
        group?.keep(join(directory, groupsFile)),
        network?.ready,
      ]);
    },
  });
  return namespacedSandbox({ ...options, group, network }, supervisor);
}

/** Takes over a sandbox from the host before; undefined when its first process has ended. */
export async function adoptNamespacedSandbox(
  options: Omit<NamespacedSandboxOptions, 'group'>,
): Promise<AdoptedSandbox | undefined> {
  const { directory } = options;
  const identity = await readIdentity(directory);
  const supervisor = identity && (await findSupervisor(identity, directory));
  if (!supervisor) return undefined;
  const group = await ControlGroup.reopen(join(directory, groupsFile));
  const sandbox = namespacedSandbox({ ...options, group }, supervisor);
  const watched = supervisor.found.then((found) =>
    Promise.all(
      found.map(async ({ label, process }) => ({
        label,
        process: await reportOom(group, () => Promise.resolve<EngineProcess>(process)),
      })),
    ),
  );
  return { sandbox, processes: watched };
}

/** Ends a sandbox that nobody has adopted. */
export async function endLeftSandbox(directory: string, keepFiles: boolean): Promise<void> {
  const identity = await readIdentity(directory);
  await endProcesses(identity, await ControlGroup.reopen(join(directory, groupsFile)));
  if (!keepFiles) await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

async function readIdentity(directory: string): Promise<SupervisorIdentity | undefined> {
  const text = await readFile(join(directory, supervisorFile), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return supervisorIdentitySchema.parse(JSON.parse(text));
  } catch {
    // The host ended while it wrote this, before anything could run.
    return undefined;
  }
}

function placesIn({
  directory,
  overlay,
}: Pick<NamespacedSandboxOptions, 'directory' | 'overlay'>): Record<'root' | 'upper' | 'work', string> {
  const root = join(directory, 'root');
  return { root, upper: overlay ? join(directory, 'upper') : root, work: join(directory, 'work') };
}

function namespacedSandbox(options: NamespacedSandboxOptions, supervisor: Supervisor): EngineSandbox {
  const { id, directory, image, ids, group, network } = options;
  const { pid } = supervisor.identity;
  // Held open, so that paths stay within this sandbox whatever process takes its number later.
  const rootFd = openSync(`/proc/${pid}/root`, 'r');
  const anchor = `/proc/self/fd/${rootFd}`;
  let destroyed: Promise<void> | undefined;
  return {
    files: localFiles(anchor, { root: ids.base, user: ids.base + ids.user }),
    limits: group?.limits,
    pathInside: (path) => path,
    async exec(command) {
      if (destroyed) throw new HostError(404, `The sandbox ${id} is not running any more.`);
      const env = network
        ? { ...network.environment, ...command.env }
        : withPorts(command.env, portsDirectory, portScripts);
      return reportOom(group, () =>
        supervisor.start({ ...command, env }, command.user === 'root' ? 0 : ids.user),
      );
    },
    dial: async (port) =>
      network
        ? { host: network.address, port }
        : dialPort(anchor + portsDirectory, port, () => sandboxPids(pid, group)),
    // Without a network of its own, what cannot be kept to is refused before it comes here.
    setNetwork: async (policy) => network?.setPolicy(policy),
    freeze: () => group?.freeze() ?? supervisor.signalAll('SIGSTOP'),
    thaw: () => group?.thaw() ?? supervisor.signalAll('SIGCONT'),
    hibernate: (signal) => hibernate(group, signal),
    async checkpoint() {
      const layer = `${id}-${Date.now().toString(36)}`;
      await copyTree(placesIn(options).upper, options.layerPath(layer));
      return { layers: options.overlay ? [...image.layers, layer] : [layer] };
    },
    lost: supervisor.lost,
    stats: async () => groupStats(group) ?? processStats(await sandboxPids(pid, group)),
    destroy({ keepFiles = false } = {}) {
      destroyed ??= (async () => {
        closeSync(rootFd);
        await endProcesses(supervisor.identity, group);
        await network?.close();
        if (!keepFiles) await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      })();
      return destroyed;
    },
  };
}

/** Ends a sandbox's processes: the first of a process namespace takes all the others with it. */
async function endProcesses(
  supervisor: SupervisorIdentity | undefined,
  group: ControlGroup | undefined,
): Promise<void> {
  const runs = (): boolean => supervisor !== undefined && isRunning(supervisor);
  if (supervisor && runs()) trySignal(supervisor.pid, 'SIGKILL');
  // What version 1 has frozen cannot die; a group that is gone holds nothing.
  await group?.thaw().catch(() => {});
  while (runs()) await new Promise((resolve) => setTimeout(resolve, 2));
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
