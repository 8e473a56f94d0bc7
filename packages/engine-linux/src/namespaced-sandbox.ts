import { closeSync, openSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AdoptedSandbox,
  EngineProcess,
  EngineSandbox,
  LocalServer,
} from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { FileAttributes } from '@sandpiper/sandbox-engine/local/files/file-attributes';
import { localFiles } from '@sandpiper/sandbox-engine/local/files/local-files';
import { makeLayer } from '@sandpiper/sandbox-engine/local/layers';
import { dialPort } from '@sandpiper/sandbox-engine/local/ports/dial-port';
import { withPorts } from '@sandpiper/sandbox-engine/local/ports/port-scripts';
import { diskStats, processStats } from '@sandpiper/sandbox-engine/local/stats';
import { trySignal } from '@sandpiper/sandbox-engine/local/tagged-processes';
import type { VolumeMount } from '@sandpiper/sandbox-engine/local/volumes/volume-directories';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { writeFileAtomically } from '@sandpiper/sandbox-engine/write-file-atomically';
import { ControlGroup } from './control-groups/control-group.js';
import { type ChangesOptions, copyChanges, prepareChanges } from './disk/changes.js';
import { diskSize } from './disk/disks.js';
import { groupStats } from './group-stats.js';
import { hibernate } from './hibernate.js';
import type { LimitsChange } from './limits-watch.js';
import type { MachineWatch } from './machine-watch.js';
import { keptSlot, type SandboxNetwork } from './network/sandbox-networks.js';
import { reportOom } from './report-oom.js';
import { portScripts, portsDirectory, sandboxMounts } from './root-fs.js';
import { writeIdentity } from './sandbox-identity.js';
import { Standstill } from './standstill.js';
import type { InitProcesses } from './supervisor/init-processes.js';
import {
  findSupervisor,
  isRunning,
  type Supervisor,
  type SupervisorIdentity,
  startSupervisor,
  supervisorIdentitySchema,
} from './supervisor/supervisor.js';
import { takeDown } from './take-down.js';

/** What a sandbox with namespaces of its own is made from. */
export interface NamespacedSandboxOptions extends Omit<ChangesOptions, 'disks'> {
  id: string;
  group: ControlGroup | undefined;
  /** The size of its disk; undefined where it has none of its own. */
  diskMB: number | undefined;
  /** Undefined where sandboxes have to share the host's. */
  network: SandboxNetwork | undefined;
  /** What programs reach on the loopback interface, where it is the sandbox's own. */
  localServer: LocalServer | undefined;
  attributes: FileAttributes;
  logger: Logger;
  /** Where it is looked after what the machine does to it. */
  watch: MachineWatch;
  onLimits: (found: LimitsChange) => void;
}

/** What the next host needs to find the sandbox again: its first process, and its control groups. */
const supervisorFile = 'supervisor.json';
const groupsFile = 'control-groups.json';
const networkFile = 'network.json';
/** How long to wait for the end of processes that are killed. */
const endWithinMs = 30_000;

/** Starts a sandbox with mount, process, IPC and host-name namespaces of its own. Needs root, Linux and Perl. */
export async function startNamespacedSandbox(
  options: Omit<NamespacedSandboxOptions, 'group' | 'network' | 'diskMB'> & {
    /** The control groups it is to be in; undefined where there are none. */
    makingGroup: Promise<ControlGroup> | undefined;
    /** Undefined where sandboxes have to share the host's. */
    makingNetwork: Promise<SandboxNetwork> | undefined;
    /** Whether the kernel is to end the sandbox when the host ends, however that comes. */
    endWithHost: boolean;
    volumes: VolumeMount[];
    initProcesses: InitProcesses;
  } & Pick<ChangesOptions, 'disks' | 'diskMB'>,
): Promise<EngineSandbox> {
  const { id, directory, ids, endWithHost, volumes, initProcesses } = options;
  const { root, layers, diskMB } = await prepareChanges(options);
  const identity = await writeIdentity(directory, id);
  const group = await options.makingGroup;
  const network = await options.makingNetwork;
  const supervisor = await startSupervisor(await initProcesses.take(), {
    id,
    directory,
    root,
    mounts: sandboxMounts(root, layers, network?.resolvConf, identity, ids),
    volumes,
    groups: group?.places ?? [],
    networkNamespace: network?.netns,
    localServer: options.localServer,
    endWithHost,
    async beforeCommands(identity) {
      await Promise.all([
        writeFileAtomically(join(directory, supervisorFile), JSON.stringify(identity)),
        group?.keep(join(directory, groupsFile)),
        network?.keep(join(directory, networkFile)),
        network?.ready,
      ]);
    },
  });
  try {
    return namespacedSandbox({ ...options, group, network, diskMB }, supervisor);
  } catch (error) {
    await endProcesses(supervisor.identity, group);
    throw error;
  }
}

/** Takes over a sandbox from the host before; undefined when its first process has ended. */
export async function adoptNamespacedSandbox(
  options: Omit<NamespacedSandboxOptions, 'group' | 'diskMB'>,
): Promise<AdoptedSandbox | undefined> {
  const { directory } = options;
  const identity = await readIdentity(directory);
  const supervisor = identity && (await findSupervisor(identity, directory, options.localServer));
  if (!supervisor) return undefined;
  const group = await ControlGroup.reopen(join(directory, groupsFile));
  const sandbox = namespacedSandbox({ ...options, group, diskMB: await diskSize(directory) }, supervisor);
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

/** The slots of the networks that sandboxes of a host before this one have, by the sandbox. */
export async function findKeptSlots(sandboxes: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const id of await readdir(sandboxes)) {
    const slot = await keptSlot(join(sandboxes, id, networkFile));
    if (slot !== undefined) found.set(id, slot);
  }
  return found;
}

/** Ends the processes of a sandbox that nobody has adopted. */
export async function endLeftSandbox(directory: string, logger: Logger): Promise<void> {
  const identity = await readIdentity(directory);
  const group = await ControlGroup.reopen(join(directory, groupsFile));
  await endProcesses(identity, group);
  await takeDown(basename(directory), { 'control groups': () => group?.remove() }, logger);
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

function namespacedSandbox(options: NamespacedSandboxOptions, supervisor: Supervisor): EngineSandbox {
  const { id, directory, image, ids, group, network, diskMB } = options;
  const { pid } = supervisor.identity;
  // Held open, so that paths stay within this sandbox whatever process takes its number later.
  const rootFd = openSync(`/proc/${pid}/root`, 'r');
  const anchor = `/proc/self/fd/${rootFd}`;
  const standstill = new Standstill(
    () => group?.freeze() ?? supervisor.signalAll('SIGSTOP'),
    () => group?.thaw() ?? supervisor.signalAll('SIGCONT'),
  );
  // Of one that was paused when its host ended.
  if (group?.isFrozen()) standstill.hold('caller').catch(() => {});
  network?.heldBy({ hold: () => standstill.hold('walls'), release: () => standstill.release('walls') });
  let destroying: Promise<void> | undefined;
  let rootIsOpen = true;
  const destroy = async (keepFiles: boolean): Promise<void> => {
    unwatch();
    if (rootIsOpen) closeSync(rootFd);
    rootIsOpen = false;
    await endProcesses(supervisor.identity, group);
    await takeDown(
      id,
      {
        'control groups': () => group?.remove(),
        network: () => network?.close(),
        files: async () => keepFiles || options.remove(directory),
      },
      options.logger,
    );
  };
  const everyPid = async (): Promise<number[]> => [pid, ...(await pidsInNamespace(pid))];
  const unwatch = options.watch.add(async () => {
    if (!group || !rootIsOpen || !isRunning(supervisor.identity)) return;
    try {
      const mended = await group.mend(pid, everyPid);
      if (!rootIsOpen) return;
      if (mended !== undefined) await standstill.renew();
      options.onLimits({ id, ...(mended !== undefined && { mended }) });
    } catch (error) {
      // It may be ending just now.
      if (rootIsOpen)
        options.onLimits({ id, obstacle: error instanceof Error ? error.message : String(error) });
    }
  });
  return {
    files: localFiles(anchor, { root: ids.base, user: ids.base + ids.user }, options.attributes),
    limits: { ...group?.limits, ...(diskMB !== undefined && { diskMB }) },
    pathInside: (path) => path,
    async exec(command) {
      if (destroying) throw new HostError(404, `The sandbox ${id} is not running any more.`);
      network?.check();
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
    // Without a network of its own, what cannot be enforced is refused before it gets here.
    setNetwork: async (policy) => network?.setPolicy(policy),
    freeze: () => standstill.hold('caller'),
    thaw: () => standstill.release('caller'),
    async hibernate(signal) {
      await standstill.hold('caller');
      return hibernate(group, signal);
    },
    async checkpoint() {
      const layer = await makeLayer(options, (to) => copyChanges(options, to));
      return { layers: options.overlay ? [...image.layers, layer] : [layer] };
    },
    lost: supervisor.lost,
    stats: async () => ({
      ...(groupStats(group) ?? (await processStats(await sandboxPids(pid, group)))),
      ...(await diskStats(anchor)),
    }),
    destroy({ keepFiles = false } = {}) {
      destroying ??= destroy(keepFiles).catch((error: unknown) => {
        // What still runs can be ended yet.
        destroying = undefined;
        throw error;
      });
      return destroying;
    },
  };
}

/**
 * Ends a sandbox's processes: the first of a process namespace takes all the others with it.
 *
 * @throws Error when that is not over in time, as when one waits for a device that does not answer.
 */
async function endProcesses(
  supervisor: SupervisorIdentity | undefined,
  group: ControlGroup | undefined,
): Promise<void> {
  const runs = (): boolean => supervisor !== undefined && isRunning(supervisor);
  if (supervisor && runs()) trySignal(supervisor.pid, 'SIGKILL');
  // What version 1 has frozen cannot die; a group that is gone holds nothing.
  await group?.thaw().catch(() => {});
  for (const until = Date.now() + endWithinMs; runs(); await sleep(2)) {
    if (Date.now() > until)
      throw new Error(`Process ${supervisor?.pid} did not end within ${endWithinMs} ms of SIGKILL.`);
  }
}

/** Every process of a sandbox but its first, as the host counts. */
async function sandboxPids(supervisor: number, group: ControlGroup | undefined): Promise<number[]> {
  if (group) return group.pids().filter((pid) => pid !== supervisor);
  return pidsInNamespace(supervisor);
}

async function pidsInNamespace(supervisor: number): Promise<number[]> {
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
