import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '@sandpiper/sandbox-engine/local/shell';
import { ownerTag, ownerTagPattern, stateOfOwner } from '@sandpiper/sandbox-engine/owner';

/** Named after the process that made it, so that those of dead hosts can be told. */
const orphanName = new RegExp(`^sandpiper-swap-(${ownerTagPattern})-`);

/** Where the memory of sandboxes that hibernate goes. */
export interface Swap {
  /** Why there is none; undefined where there is. */
  obstacle: string | undefined;
  /** Takes back the file that was made for it, if one was. */
  close(): Promise<void>;
}

/**
 * Makes a swap file in a directory and has the machine use it; without a size, looks whether it has swap already.
 *
 * @param megabytes - Undefined or 0: none is made.
 */
export async function openSwap(directory: string, megabytes: number | undefined): Promise<Swap> {
  const nothing = async (): Promise<void> => {};
  if (!megabytes) {
    const obstacle =
      (await swapTotal()) > 0 ? undefined : 'the machine has no swap (the option swapFileMB makes some)';
    return { obstacle, close: nothing };
  }
  const file = join(directory, `sandpiper-swap-${ownerTag()}-${randomUUID()}`);
  const close = (): Promise<void> => removeSwapFile(file);
  try {
    // Nobody but root may read what was in memory.
    await run('sh', '-c', 'umask 077 && fallocate -l "$1" "$0" && mkswap "$0"', file, `${megabytes}M`);
    await run('swapon', file);
    return { obstacle: undefined, close };
  } catch (error) {
    await close();
    const detail = error instanceof Error ? error.message.split('\n').slice(1).join(' ').trim() : '';
    return { obstacle: `no swap file could be made in the data directory (${detail})`, close: nothing };
  }
}

/** Whether the machine has swap at this moment. */
export function hasSwap(): boolean {
  return swapIn(readFileSync('/proc/meminfo', 'utf8')) > 0;
}

/** In kilobytes. */
function swapIn(meminfo: string): number {
  return Number(/^SwapTotal:\s+(\d+)/m.exec(meminfo)?.[1] ?? 0);
}

async function swapTotal(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  return swapIn(text);
}

/** What is in use cannot be removed: it stays where there is no room for what it holds. */
async function removeSwapFile(file: string): Promise<void> {
  await run('swapoff', file).catch(() => {});
  await rm(file, { force: true }).catch(() => {});
}

/** Takes back the swap files of hosts that have died. */
export async function removeOrphanedSwap(): Promise<void> {
  const [, ...lines] = (await readFile('/proc/swaps', 'utf8').catch(() => '')).split('\n');
  for (const line of lines) {
    // Spaces in names are written in octal (proc_swaps(5)), and a data directory may have some.
    const file = (line.split(/\s/)[0] ?? '').replace(/\\(\d{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const owner = orphanName.exec(basename(file))?.[1];
    if (owner !== undefined && stateOfOwner(owner) === 'dead') await removeSwapFile(file);
  }
}
