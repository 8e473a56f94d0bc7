import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireDescriptors } from '@sandpiper/sandbox-engine/descriptors';
import type { Capabilities } from '@sandpiper/sandbox-engine/engine';
import { Undo } from '@sandpiper/sandbox-engine/every-step';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { baseImage, EngineDirectory } from '@sandpiper/sandbox-engine/local/engine-directory';
import { FileAttributes } from '@sandpiper/sandbox-engine/local/files/file-attributes';
import { removeTree } from '@sandpiper/sandbox-engine/local/files/remove-tree';
import { type LocalEngine, OwnSandboxes } from '@sandpiper/sandbox-engine/local/local-engine';
import { sharedNetwork } from '@sandpiper/sandbox-engine/local/ports/port-scripts';
import { run } from '@sandpiper/sandbox-engine/local/shell';
import { killOrphanedTools, killTaggedProcesses } from '@sandpiper/sandbox-engine/local/tagged-processes';
import { openVolumeDirectories } from '@sandpiper/sandbox-engine/local/volumes/volume-directories';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import { removeMadeInTmp } from './machine-tmp.js';
import { makePlainSkeleton, startPlainSandbox } from './plain-sandbox.js';

export interface PlainEngineOptions {
  /** Where images and the files of sandboxes are kept. */
  directory: string;
  /** Why sandboxes are not kept apart by the operating system, for the capabilities. */
  obstacle: string;
  /** Whether files of sandboxes are kept from one host to the next. Default: false. */
  keepSandboxes?: boolean | undefined;
  logger: Logger;
}

/** Starts the engine whose sandboxes are directories and process groups, on any system and for any user. */
export async function startPlainEngine(options: PlainEngineOptions): Promise<LocalEngine> {
  const undo = new Undo();
  try {
    return await startEngine(options, undo);
  } catch (error) {
    await undo.all(logFailure(options.logger, 'What a start that failed had begun could not all be undone'));
    throw error;
  }
}

async function startEngine(
  { directory: path, obstacle, keepSandboxes = false, logger }: PlainEngineOptions,
  undo: Undo,
): Promise<LocalEngine> {
  await killOrphanedTools();
  const directory = await EngineDirectory.open(path, { keepSandboxes, logger });
  undo.add(() => directory.close());
  await directory.makeBase(makePlainSkeleton);
  await directory.checkFormat('plain');
  const volumes = await openVolumeDirectories({
    directory: join(path, 'volumes'),
    ids: undefined,
    remove: directory.remove,
    putAside: directory.putAside,
  });
  const endWithHost = await run('setpriv', '--pdeathsig', 'KILL', 'true').then(
    () => true,
    () => false,
  );
  const attributes = new FileAttributes();
  const own = new OwnSandboxes();

  return {
    name: 'plain',
    capabilities: describePlainCapabilities(obstacle),
    baseImage,
    volumes,
    async start(id, image, given) {
      requireDescriptors();
      if (volumes.mounts(given.volumes ?? []).length > 0) {
        throw new HostError(
          501,
          `This host cannot mount volumes: its sandboxes have no namespaces (${obstacle}).`,
        );
      }
      const sandbox = await startPlainSandbox({
        id,
        directory: directory.filesOf(id),
        image,
        layerPath: (layer) => directory.layerPath(layer),
        portScripts: directory.portScripts,
        endWithHost,
        attributes,
        remove: directory.remove,
      });
      return own.add(id, sandbox);
    },
    // Its processes end with their host.
    adopt: async () => undefined,
    async endOthers(withFilesKept) {
      for (const id of await readdir(directory.sandboxes)) {
        if (own.ids.has(id) || withFilesKept.includes(id)) continue;
        await directory.putAside(directory.filesOf(id));
      }
    },
    remove: directory.remove,
    removeFiles: (id) => directory.removeFiles(id),
    removeImage: (image, stillUsed) => directory.removeImage(image, stillUsed),
    imageBytes: (image) => directory.imageBytes(image),
    keepOnly: (images) => directory.keepOnly(images),
    async close() {
      if (!keepSandboxes) await directory.remove(directory.sandboxes);
      await attributes.close();
      await directory.close();
    },
  };
}

/** Ends processes of sandboxes that outlived their host, which are known by its directory. */
export async function endPlainProcesses(directory: string): Promise<void> {
  const sandboxes = join(directory, 'sandboxes');
  if (!existsSync(sandboxes)) return;
  for (const id of await readdir(sandboxes)) {
    await killTaggedProcesses(id, new Set());
    await removeMadeInTmp(join(sandboxes, id), removeTree);
  }
}

function describePlainCapabilities(obstacle: string): Capabilities {
  return {
    isolation: {
      level: 'absent',
      reason: `sandboxes are directories and processes of the host: ${obstacle}`,
    },
    limits: {
      level: 'absent',
      reason: 'limits need control groups, which a host without namespaces does not make',
    },
    disk: { level: 'absent', reason: `what sandboxes keep lies on the machine's disk: ${obstacle}` },
    network: { level: 'absent', reason: sharedNetwork(obstacle) },
    freeze: { level: 'advisory', reason: 'processes get SIGSTOP, which others of the same user can undo' },
    hibernate: { level: 'absent', reason: 'needs control groups' },
    checkpoint: { level: 'enforced', reason: 'files are copied while nothing runs' },
  };
}
