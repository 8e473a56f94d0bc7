import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireDescriptors } from '@sandpiper/sandbox-engine/descriptors';
import type {
  Capabilities,
  Capability,
  EngineSandbox,
  Image,
  MachineChange,
  StartOptions,
} from '@sandpiper/sandbox-engine/engine';
import { everyStep, Undo } from '@sandpiper/sandbox-engine/every-step';
import { baseImage, EngineDirectory } from '@sandpiper/sandbox-engine/local/engine-directory';
import { FileAttributes } from '@sandpiper/sandbox-engine/local/files/file-attributes';
import { type LocalEngine, OwnSandboxes } from '@sandpiper/sandbox-engine/local/local-engine';
import { killOrphanedTools } from '@sandpiper/sandbox-engine/local/tagged-processes';
import { openVolumeDirectories } from '@sandpiper/sandbox-engine/local/volumes/volume-directories';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import { describeCapabilities } from './capabilities.js';
import { openControlGroups } from './control-groups/control-groups.js';
import { Disks } from './disk/disks.js';
import { LimitsWatch } from './limits-watch.js';
import { MachineWatch } from './machine-watch.js';
import {
  adoptNamespacedSandbox,
  endLeftSandbox,
  findKeptSlots,
  startNamespacedSandbox,
} from './namespaced-sandbox.js';
import { canOverlay } from './namespaces-obstacle.js';
import { SandboxNetworks } from './network/sandbox-networks.js';
import { probeOptions } from './probe/probe-sandbox.js';
import { proveCapabilities } from './probe/prove-capabilities.js';
import { makeSkeleton } from './root-fs.js';
import { InitProcesses } from './supervisor/init-processes.js';
import { hasSwap, openSwap } from './swap-file.js';
import { takeDown } from './take-down.js';
import { findSandboxIds } from './user-ids.js';

export interface LinuxEngineOptions {
  /** Where images and the files of sandboxes are kept. */
  directory: string;
  /**
   * Whether sandboxes outlive a host that is killed, so that its next start can adopt them; `endOthers` is then to be
   * called. Default: the kernel ends them with the host.
   */
  keepSandboxes?: boolean | undefined;
  /** The size of the swap file that is made for sandboxes that hibernate. Default: none is made. */
  swapFileMB?: number | undefined;
  /** Called with what the machine takes away from sandboxes, and gives back. */
  onMachineChange?: ((change: MachineChange) => void) | undefined;
  logger: Logger;
}

/** Begins the ids of sandboxes in which a host tries what it can enforce. */
const probePrefix = 'probe';

/** Starts the engine whose sandboxes have Linux namespaces of their own. Needs root, Perl and util-linux. */
export async function startLinuxEngine(options: LinuxEngineOptions): Promise<LocalEngine> {
  const undo = new Undo();
  try {
    return await startEngine(options, undo);
  } catch (error) {
    await undo.all(logFailure(options.logger, 'What a start that failed had begun could not all be undone'));
    throw error;
  }
}

async function startEngine(options: LinuxEngineOptions, undo: Undo): Promise<LocalEngine> {
  const { keepSandboxes = false, logger } = options;
  await killOrphanedTools();
  const directory = await EngineDirectory.open(options.directory, { keepSandboxes, logger });
  undo.add(() => directory.close());
  const { remove, putAside, sandboxes } = directory;
  const layerPath = (layer: string): string => directory.layerPath(layer);

  const { ids, obstacle: idsObstacle } = await findSandboxIds();
  await directory.makeBase((root) => makeSkeleton(root, ids));
  const overlay = await canOverlay(options.directory, remove);
  await directory.checkFormat(`${overlay ? 'overlay' : 'copy'}, users from ${ids.base}`);
  const { value: disks, obstacle: diskObstacle } = overlay
    ? await attempt(Disks.open({ directory: join(options.directory, 'disks'), ids, remove }))
    : { value: undefined, obstacle: 'its file system has no overlays' };
  const volumes = await openVolumeDirectories({
    directory: join(options.directory, 'volumes'),
    ids,
    remove,
    putAside,
  });
  const { groups: controlGroups, obstacle: groupsObstacle } = await openControlGroups(
    keepSandboxes ? options.directory : undefined,
  );
  undo.add(() => controlGroups?.close());
  const swap = await openSwap(options.directory, options.swapFileMB);
  undo.add(() => swap.close());
  const { value: networks, obstacle: networkObstacle } = await attempt(
    SandboxNetworks.open(options.directory, {
      kept: await findKeptSlots(sandboxes),
      logger,
      onChange: (change) => options.onMachineChange?.(change),
    }),
  );
  undo.add(() => networks?.close());
  const initProcesses = new InitProcesses(ids.base);
  undo.add(() => initProcesses.close());
  const attributes = new FileAttributes();
  undo.add(() => attributes.close());
  const watch = new MachineWatch(logger);
  undo.add(() => watch.close());
  if (networks) watch.add(() => networks.look());
  // Before those of sandboxes, which are below.
  if (controlGroups) watch.add(() => controlGroups.renew());
  const limits = new LimitsWatch((change) => options.onMachineChange?.(change));

  const own = new OwnSandboxes();
  const add = (id: string, sandbox: EngineSandbox): EngineSandbox =>
    own.add(id, sandbox, () => limits.forget(id));
  const start = async (id: string, image: Image, given: StartOptions): Promise<EngineSandbox> => {
    requireDescriptors();
    const files = directory.filesOf(id);
    const hadFiles = existsSync(files);
    const mounts = volumes.mounts(given.volumes ?? []);
    // At the same time, and what fails is undone when all of it has come to its end.
    const makingGroup = controlGroups?.make(id, given.limits);
    const makingNetwork = networks?.open(id, { ...given, policy: given.network });
    makingGroup?.catch(() => {});
    makingNetwork?.catch(() => {});
    try {
      const sandbox = await startNamespacedSandbox({
        id,
        directory: files,
        image,
        layerPath,
        overlay,
        ids,
        makingGroup,
        makingNetwork,
        disks,
        remove,
        diskMB: given.limits.diskMB,
        endWithHost: !keepSandboxes,
        volumes: mounts,
        initProcesses,
        attributes,
        logger,
        localServer: given.localServer,
        watch,
        onLimits: limits.reporter(given),
      });
      return add(id, sandbox);
    } catch (error) {
      const group = await makingGroup?.catch(() => undefined);
      const network = await makingNetwork?.catch(() => undefined);
      await takeDown(
        id,
        {
          'control groups': () => group?.remove(),
          network: () => network?.close(),
          files: async () => hadFiles || remove(files),
        },
        logger,
      );
      throw error;
    }
  };

  const proven = await proveCapabilities({
    described: describeCapabilities({
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
      return limits.obstacle === undefined
        ? proven.limits
        : { level: 'advisory', reason: `not for all sandboxes: ${limits.obstacle}` };
    },
    get hibernate(): Capability {
      if (proven.hibernate.level !== 'enforced' || hasSwap()) return proven.hibernate;
      return { level: 'absent', reason: 'the machine has no swap any more: what is paused stays in memory' };
    },
  };

  return {
    name: 'linux',
    capabilities,
    baseImage,
    volumes,
    start,
    async adopt(id, image, given) {
      const network = await networks?.attach(id, { ...given, policy: given.network });
      const adopted = await adoptNamespacedSandbox({
        id,
        directory: directory.filesOf(id),
        image,
        layerPath,
        overlay,
        ids,
        network,
        attributes,
        logger,
        remove,
        localServer: given.localServer,
        watch,
        onLimits: limits.reporter(given),
      });
      if (!adopted) await network?.close();
      return adopted && { ...adopted, sandbox: add(id, adopted.sandbox) };
    },
    async endOthers(withFilesKept) {
      const others = (await readdir(sandboxes)).filter((id) => !own.ids.has(id));
      const endOther = async (id: string): Promise<void> => {
        const files = directory.filesOf(id);
        await endLeftSandbox(files, logger);
        if (withFilesKept.includes(id)) return;
        if (id.startsWith(probePrefix)) await remove(files);
        else await putAside(files);
      };
      // What cannot be ended is no reason for a host not to start.
      await everyStep(
        () => controlGroups?.keepOnly(own.ids),
        ...others.map((id) => () => endOther(id)),
        () => networks?.keepOnly([...own.ids]),
      ).catch((error: unknown) =>
        logger.error({ err: error }, 'What a host before has left could not all be ended'),
      );
    },
    remove,
    removeFiles: (id) => directory.removeFiles(id),
    removeImage: (image, stillUsed) => directory.removeImage(image, stillUsed),
    imageBytes: (image) => directory.imageBytes(image),
    keepOnly: (images) => directory.keepOnly(images),
    async close() {
      watch.close();
      await everyStep(
        () => initProcesses.close(),
        () => attributes.close(),
        () => keepSandboxes || remove(sandboxes),
        () => controlGroups?.close(),
        () => networks?.close(),
        () => swap.close(),
        () => directory.close(),
      );
    },
  };
}

/** What an engine does without when it fails, and why it failed. */
async function attempt<T>(
  opening: Promise<T>,
): Promise<{ value: T | undefined; obstacle: string | undefined }> {
  try {
    return { value: await opening, obstacle: undefined };
  } catch (error) {
    return { value: undefined, obstacle: error instanceof Error ? error.message : String(error) };
  }
}
