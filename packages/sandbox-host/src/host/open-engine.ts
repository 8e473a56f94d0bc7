import { type LinuxEngineOptions, startLinuxEngine } from '@sandpiper/engine-linux/linux-engine';
import { namespacesObstacle } from '@sandpiper/engine-linux/namespaces-obstacle';
import { removeOrphanedSwap } from '@sandpiper/engine-linux/swap-file';
import { endPlainProcesses, startPlainEngine } from '@sandpiper/engine-plain/plain-engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';

/** How sandboxes are kept apart: each in Linux namespaces of its own, or by directory only. */
export type Isolation = 'namespaces' | 'none';

export interface OpenEngineOptions extends LinuxEngineOptions {
  /** Default: namespaces where this machine and user can make them. */
  isolation?: Isolation | undefined;
}

/**
 * Starts the engine that suits this machine.
 *
 * @throws Error when `isolation` is `namespaces` and this machine cannot make them.
 */
export async function openEngine({ isolation, ...options }: OpenEngineOptions): Promise<LocalEngine> {
  const obstacle = isolation === 'none' ? 'it was not asked for' : await namespacesObstacle();
  if (obstacle === undefined) return startLinuxEngine(options);
  if (isolation === 'namespaces')
    throw new Error(`Sandboxes cannot have namespaces of their own: ${obstacle}.`);
  const { directory, keepSandboxes, logger } = options;
  return startPlainEngine({ directory, keepSandboxes, obstacle, logger });
}

/** Ends processes that outlived their host, known by its directory; those with namespaces end with it. */
export async function endLeftovers(directory: string): Promise<void> {
  await endPlainProcesses(directory);
  await removeOrphanedSwap();
}
