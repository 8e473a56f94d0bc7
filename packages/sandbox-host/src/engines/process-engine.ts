import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireDescriptors } from '../engine/descriptors.js';
import type {
  Capabilities,
  Capability,
  Engine,
  EngineSandbox,
  Image,
  MachineChange,
  StartOptions,
} from '../engine/engine.js';
import { everyStep, Undo } from '../engine/every-step.js';
import { HostError } from '../engine/host-error.js';
import { putAside } from '../engine/local/files/lost-and-found.js';
import { type Remove, Trash } from '../engine/local/files/trash.js';
import { isUnfinishedLayer } from '../engine/local/layers.js';
import { writePortScripts } from '../engine/local/ports/port-scripts.js';
import { run } from '../engine/local/shell.js';
import { killOrphanedTools, killTaggedProcesses } from '../engine/local/tagged-processes.js';
import { openVolumeDirectories } from '../engine/local/volumes/volume-directories.js';
import { writeFileAtomically } from '../engine/write-file-atomically.js';
import { describeCapabilities } from './linux/capabilities.js';
import { openControlGroups } from './linux/control-groups/control-groups.js';
import { Disks } from './linux/disk/disks.js';
import { MachineWatch } from './linux/machine-watch.js';
import {
  adoptNamespacedSandbox,
  endLeftSandbox,
  findKeptSlots,
  type LimitsChange,
  startNamespacedSandbox,
} from './linux/namespaced-sandbox.js';
import { SandboxNetworks } from './linux/network/sandbox-networks.js';
import { probeOptions } from './linux/probe/probe-sandbox.js';
import { proveCapabilities } from './linux/probe/prove-capabilities.js';
import { makeSkeleton } from './linux/root-fs.js';
import { InitProcesses } from './linux/supervisor/init-processes.js';
import { supervisorScript } from './linux/supervisor/supervisor-script.js';
import { hasSwap, openSwap, removeOrphanedSwap } from './linux/swap-file.js';
import { takeDown } from './linux/take-down.js';
import { findSandboxIds, sharedIds } from './linux/user-ids.js';
import { makePlainSkeleton, startPlainSandbox } from './plain/plain-sandbox.js';

/** How sandboxes are kept apart: each in Linux namespaces of its own, or by directory only. */
export type Isolation = 'namespaces' | 'none';

export interface ProcessEngineOptions {
  /** Where images and the files of sandboxes are kept. */
  directory: string;
  /** Default: namespaces where this machine and user can make them. */
  isolation?: Isolation | undefined;
  /**
   * Whether sandboxes outlive a host that is killed, so that its next start can adopt them; `endOthers` is then to be
   * called. Default: the kernel ends them with the host.
   */
  keepSandboxes?: boolean | undefined;
  /** The size of the swap file that is made for sandboxes that hibernate. Default: none is made. */
  swapFileMB?: number | undefined;
  /** Told what the machine takes away from sandboxes, and gives back. */
  onMachineChange?: ((change: MachineChange) => void) | undefined;
}

/** An engine that is to be closed. */
export interface ProcessEngine extends Engine {
  /** Removes a file or a directory of the data directory, whatever is in it; what it cannot is reported and tried again. */
  remove: Remove;
  /** Removes what is left on the machine; sandboxes must have been destroyed. */
  close(): Promise<void>;
}

const baseLayer = 'base';
/** Begins the ids of sandboxes in which a host tries what it can enforce. */
const probePrefix = 'probe';

/**
 * Starts the engine that runs sandboxes as processes of this machine.
 *
 * @throws Error when `isolation` is `namespaces` and this machine cannot make them.
 */
export async function startProcessEngine(options: ProcessEngineOptions): Promise<ProcessEngine> {
  const undo = new Undo();
  try {
    return await startEngine(options, undo);
  } catch (error) {
    await undo.all();
    throw error;
  }
}

async function startEngine(options: ProcessEngineOptions, undo: Undo): Promise<ProcessEngine> {
  const layers = join(options.directory, 'layers');
  const sandboxes = join(options.directory, 'sandboxes');
  const portScripts = join(options.directory, 'ports');
  const layerPath = (layer: string): string => join(layers, layer);
  const { keepSandboxes = false } = options;
  await killOrphanedTools();
  await mkdir(options.directory, { recursive: true });
  const trash = await Trash.open(join(options.directory, 'trash'));
  undo.add(() => trash.close());
  const { remove } = trash;
  const lostAndFound = join(options.directory, 'lost+found');
  // What a dead host left of running sandboxes is of no use without their processes.
  if (!keepSandboxes) await remove(sandboxes);
  await mkdir(sandboxes, { recursive: true });
  // What still runs stands on the lowest layer as it is.
  if ((await readdir(sandboxes)).length === 0) await remove(layerPath(baseLayer));
  const hadBase = existsSync(layerPath(baseLayer));
  await mkdir(layerPath(baseLayer), { recursive: true });
  await writePortScripts(portScripts);

  const obstacle = options.isolation === 'none' ? 'it was not asked for' : await namespaceObstacle();
  if (options.isolation === 'namespaces' && obstacle) {
    throw new Error(`Sandboxes cannot have namespaces of their own: ${obstacle}.`);
  }
  const { ids, obstacle: idsObstacle } = obstacle ? { ids: sharedIds, obstacle } : await findSandboxIds();
  if (!hadBase) {
    await (obstacle ? makePlainSkeleton(layerPath(baseLayer)) : makeSkeleton(layerPath(baseLayer), ids));
  }
  const overlay = !obstacle && (await canOverlay(options.directory, remove));
  const format = overlay ? 'overlay' : 'copy';
  await checkFormat(options.directory, obstacle ? 'plain' : `${format}, users from ${ids.base}`);
  let diskObstacle = obstacle ?? (overlay ? undefined : 'its file system has no overlays');
  const disks = diskObstacle
    ? undefined
    : await Disks.open({ directory: join(options.directory, 'disks'), ids, remove }).catch(
        (error: unknown) => {
          diskObstacle = error instanceof Error ? error.message : String(error);
          return undefined;
        },
      );
  const volumes = await openVolumeDirectories({
    directory: join(options.directory, 'volumes'),
    ids: obstacle ? undefined : ids,
    remove,
    lostAndFound,
  });
  const { groups: controlGroups, obstacle: groupsObstacle } = obstacle
    ? { groups: undefined, obstacle }
    : await openControlGroups(keepSandboxes ? options.directory : undefined);
  undo.add(() => controlGroups?.close());
  const swap = await openSwap(options.directory, obstacle ? 0 : options.swapFileMB);
  undo.add(() => swap.close());
  let networkObstacle = obstacle;
  const networks = obstacle
    ? undefined
    : await SandboxNetworks.open(options.directory, {
        kept: await findKeptSlots(sandboxes),
        onChange: (change) => options.onMachineChange?.(change),
      }).catch((error: unknown) => {
        networkObstacle = error instanceof Error ? error.message : String(error);
        return undefined;
      });
  undo.add(() => networks?.close());
  const endWithHost = await run('setpriv', '--pdeathsig', 'KILL', 'true').then(
    () => true,
    () => false,
  );

  const initProcesses = obstacle ? undefined : new InitProcesses(ids.base);
  undo.add(() => initProcesses?.close());

  const watch = new MachineWatch();
  undo.add(() => watch.close());
  if (networks) watch.add(() => networks.look());
  /** Why the limits of some are not what was promised. */
  const unlimited = new Map<string, string>();
  const onLimits =
    ({ onNotice = () => {} }: StartOptions) =>
    ({ id, mended, obstacle: lack }: LimitsChange): void => {
      const before = unlimited.get(id);
      if (lack === undefined) unlimited.delete(id);
      else unlimited.set(id, lack);
      const reason = lack ?? mended;
      if (reason === undefined || (lack !== undefined && before !== undefined)) return;
      onNotice(
        lack === undefined
          ? `Its limits are in force again: ${reason}.`
          : `Its limits are not in force any more: ${reason}.`,
      );
      const outcome = lack === undefined ? 'restored' : 'lost';
      options.onMachineChange?.({ what: 'limits', outcome, reason, sandboxes: 1, elapsedMs: 0 });
    };

  /** Sandboxes that were started or adopted here. */
  const known = new Set<string>();
  const own = (id: string, sandbox: EngineSandbox): EngineSandbox => {
    known.add(id);
    const destroy: EngineSandbox['destroy'] = async (given) => {
      await sandbox.destroy(given);
      known.delete(id);
      unlimited.delete(id);
    };
    const exec: EngineSandbox['exec'] = async (command) => {
      requireDescriptors();
      return sandbox.exec(command);
    };
    return { ...sandbox, exec, destroy };
  };
  const start = async (id: string, image: Image, given: StartOptions): Promise<EngineSandbox> => {
    requireDescriptors();
    const directory = join(sandboxes, id);
    const hadFiles = existsSync(directory);
    const mounts = volumes.mounts(given.volumes ?? []);
    if (!initProcesses) {
      if (mounts.length > 0)
        throw new HostError(
          501,
          `This host cannot mount volumes: its sandboxes have no namespaces (${obstacle}).`,
        );
      return own(
        id,
        await startPlainSandbox({ id, directory, image, layerPath, portScripts, endWithHost, remove }),
      );
    }
    // At the same time, and what fails is undone when all of it has come to its end.
    const makingGroup = controlGroups?.make(id, given.limits);
    const makingNetwork = networks?.open(id, { ...given, policy: given.network });
    makingGroup?.catch(() => {});
    makingNetwork?.catch(() => {});
    try {
      const sandbox = {
        id,
        directory,
        image,
        layerPath,
        overlay,
        ids,
        makingGroup,
        makingNetwork,
        disks,
        remove,
      };
      return own(
        id,
        await startNamespacedSandbox({
          ...sandbox,
          diskMB: given.limits.diskMB,
          endWithHost: !keepSandboxes,
          volumes: mounts,
          initProcesses,
          localServer: given.localServer,
          watch,
          onLimits: onLimits(given),
        }),
      );
    } catch (error) {
      const group = await makingGroup?.catch(() => undefined);
      const network = await makingNetwork?.catch(() => undefined);
      await takeDown(id, {
        'control groups': () => group?.remove(),
        network: () => network?.close(),
        files: async () => hadFiles || remove(directory),
      });
      throw error;
    }
  };

  const baseImage = { layers: [baseLayer] };
  const proven = await proveCapabilities({
    described: describeCapabilities({
      obstacle,
      idsObstacle,
      diskObstacle,
      networkObstacle,
      groups: controlGroups,
      groupsObstacle,
      swap,
    }),
    start: () => start(`${probePrefix}${process.pid}x${Date.now()}`, baseImage, probeOptions),
    directory: options.directory,
  });
  const capabilities: Capabilities = {
    ...proven,
    // Looked at whenever it is asked for: the machine may have changed.
    get network(): Capability {
      const lost = networks?.obstacle;
      return lost === undefined ? proven.network : { level: 'absent', reason: lost };
    },
    get limits(): Capability {
      const [lost] = unlimited.values();
      return lost === undefined
        ? proven.limits
        : { level: 'advisory', reason: `not for all sandboxes: ${lost}` };
    },
    get hibernate(): Capability {
      if (proven.hibernate.level !== 'enforced' || hasSwap()) return proven.hibernate;
      return { level: 'absent', reason: 'the machine has no swap any more: what is paused stays in memory' };
    },
  };

  return {
    name: 'process',
    capabilities,
    baseImage,
    volumes,
    start,
    async adopt(id, image, given) {
      const directory = join(sandboxes, id);
      const network = await networks?.attach(id, { ...given, policy: given.network });
      const adopted = await adoptNamespacedSandbox({
        id,
        directory,
        image,
        layerPath,
        overlay,
        ids,
        network,
        remove,
        localServer: given.localServer,
        watch,
        onLimits: onLimits(given),
      });
      if (!adopted) await network?.close();
      return adopted && { ...adopted, sandbox: own(id, adopted.sandbox) };
    },
    async endOthers(withFilesKept) {
      const others = (await readdir(sandboxes)).filter((id) => !known.has(id));
      const endOther = async (id: string): Promise<void> => {
        await endLeftSandbox(join(sandboxes, id));
        if (withFilesKept.includes(id)) return;
        if (id.startsWith(probePrefix)) await remove(join(sandboxes, id));
        else await putAside(join(sandboxes, id), lostAndFound);
      };
      // What cannot be ended is no reason for a host not to start.
      await everyStep(
        () => controlGroups?.keepOnly(known),
        ...others.map((id) => () => endOther(id)),
        () => networks?.keepOnly([...known]),
      ).catch((error: unknown) =>
        console.error('What a host before has left could not all be ended:', error),
      );
    },
    remove,
    removeFiles: (id) => remove(join(sandboxes, id)),
    async removeImage(image, stillUsed) {
      const used = new Set([baseLayer, ...stillUsed.flatMap((one) => one.layers)]);
      for (const layer of image.layers) {
        if (!used.has(layer)) await remove(layerPath(layer));
      }
    },
    async imageBytes(image) {
      const kilobytes = await run('du', '-sk', layerPath(image.layers.at(-1) ?? baseLayer));
      return Number.parseInt(kilobytes, 10) * 1024;
    },
    async keepOnly(images) {
      const used = new Set([baseLayer, ...images.flatMap((one) => one.layers)]);
      for (const layer of await readdir(layers)) {
        if (used.has(layer)) continue;
        if (isUnfinishedLayer(layer)) await remove(layerPath(layer));
        else await putAside(layerPath(layer), lostAndFound);
      }
    },
    async close() {
      watch.close();
      await everyStep(
        () => initProcesses?.close(),
        () => keepSandboxes || remove(sandboxes),
        () => controlGroups?.close(),
        () => networks?.close(),
        () => swap.close(),
        () => trash.close(),
      );
    },
  };
}

/** Layers of one form mean nothing in another: their owners, or what they leave out, differ. */
async function checkFormat(directory: string, format: string): Promise<void> {
  const file = join(directory, 'image-format');
  const before = await readFile(file, 'utf8').catch(() => format);
  if (before !== format) {
    throw new Error(
      `The data directory holds images in the form "${before}", and this host would make "${format}" ones: start it as before (version, user, isolation, file system), or give it another dataDir.`,
    );
  }
  await writeFileAtomically(file, format);
}

/** Ends processes that outlived their host, told by its directory; those with namespaces end with it. */
export async function endLeftovers(directory: string): Promise<void> {
  const ids = await readdir(join(directory, 'sandboxes')).catch(() => []);
  for (const id of ids) await killTaggedProcesses(id, new Set());
  await removeOrphanedSwap();
}

/** Runs the script that follows in namespaces of its own. */
const inNamespaces: readonly string[] = [
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

/** Why sandboxes cannot have namespaces here; undefined when a probe made some. */
async function namespaceObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `${process.platform} has none`;
  if (process.getuid?.() !== 0) return 'the host does not run as root';
  if (!supervisorScript) return `the system calls of ${process.arch} are not known`;
  try {
    await run('perl', '-e', '1');
  } catch {
    return 'perl is missing (Debian: perl-base)';
  }
  try {
    // What a sandbox's start does, in small.
    const probe = 'mount -t tmpfs tmpfs /tmp && setpriv --bounding-set=-all --no-new-privs true';
    const [file = '', ...args] = inNamespaces;
    await run(file, ...args, probe);
    return undefined;
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n').slice(1).join(' ').trim() : '';
    return `the system refused (${detail || 'util-linux tools are missing'})`;
  }
}

/** Whether changes can be kept beside read-only layers in this directory; not so on some container file systems. */
async function canOverlay(directory: string, remove: Remove): Promise<boolean> {
  const probe = join(directory, 'overlay-probe');
  for (const name of ['lower', 'upper', 'work', 'root']) await mkdir(join(probe, name), { recursive: true });
  const script =
    'cd "$0" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,volatile root && : > root/file';
  const works = await run('unshare', '--mount', 'sh', '-c', script, probe).then(
    () => true,
    () => false,
  );
  await remove(probe);
  return works;
}
