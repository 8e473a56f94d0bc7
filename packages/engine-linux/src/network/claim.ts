import { readdir, stat } from 'node:fs/promises';
import { nobodysTag, ownerTag, ownerTagPattern, stateOfOwner } from '@sandpiper/sandbox-engine/owner';
import { blocksApartFrom } from './address-plan.js';
import { findNamespaces, linksGone, namespaceBlocks, namespacePath, removeNamespaces } from './namespaces.js';
import { tableName } from './packet-filter.js';
import { addServiceAddress, isServed, removeServiceAddress, silentBlocks } from './service-addresses.js';
import { nft, runOn } from './tools.js';

/**
 * Takes a block of addresses for this host. Whose a block is, is said by the packet filter's table of the block: it
 * can be made only once in a network, whatever directories its hosts see, and has a chain named after its owner.
 *
 * @param before - The block this host's directory had, which is taken over as it is if its owner has died.
 * @throws Error when every block is in use.
 */
export async function claimBlock(before: number | undefined): Promise<number> {
  const owners = await blockOwners();
  if (before !== undefined) {
    const owner = owners.get(before);
    // Of one that has died; or of nobody, where the packet filter was flushed and what lives in the block was not.
    const isLeft = owner ? !mayLive(owner) : (await findNamespaces(before)).length > 0;
    if (isLeft && (await take(before, owner))) {
      await addServiceAddress(before);
      return before;
    }
  }
  const free = blocksApartFrom(await routedRanges()).filter((block) => !owners.has(block));
  for (const block of free) {
    if (!(await take(block, undefined))) continue;
    await addServiceAddress(block);
    return block;
  }
  throw new Error('every range of addresses for sandboxes is in use on this machine');
}

/** Makes a block this process's own; false when another was faster. One of many that try at once succeeds. */
async function take(block: number, owner: string | undefined): Promise<boolean> {
  const table = tableName(block);
  try {
    await nft(
      owner === undefined
        ? `create table inet ${table}\n${ownerText(block)}`
        : `rename chain inet ${table} owner-${owner} ${ownerChainName()}\n`,
    );
    return true;
  } catch (error) {
    if ((await blockOwners()).get(block) === owner) throw error;
    return false;
  }
}

/** Says of the table of a block that it is this process's. */
export function ownerText(block: number): string {
  return `add chain inet ${tableName(block)} ${ownerChainName()}\n`;
}

function ownerChainName(): string {
  return `owner-${ownerTag()}`;
}

/**
 * Gives up this host's block. One that processes still live in, since this host has not got as far as taking them over
 * or could not end them, keeps its walls and is left for the next host of the directory.
 */
export async function giveUpBlock(block: number): Promise<void> {
  const slots = await findNamespaces(block);
  const lived = await slotsLivedIn(slots, block);
  if (lived.length === 0) return releaseBlock(block);
  await removeNamespaces(
    block,
    slots.filter((slot) => !lived.includes(slot)),
  );
  await nft(`rename chain inet ${tableName(block)} ${ownerChainName()} owner-${nobodysTag()}\n`);
}

/** Gives a block back with all that belongs to it. */
export async function releaseBlock(block: number): Promise<void> {
  await removeNamespaces(block, await findNamespaces(block));
  await linksGone(block);
  await removeServiceAddress(block);
  // It may have gone.
  await nft(`add table inet ${tableName(block)}\ndelete table inet ${tableName(block)}\n`);
}

/**
 * Removes what dead hosts left, but for networks that a process still lives in.
 *
 * @param kept - A block that is spoken for.
 */
export async function releaseOrphans(kept?: number): Promise<void> {
  // Looked at first: a host that claims a block meanwhile has its table before its address and its namespaces.
  const named = [...(await namespaceBlocks()), ...(await silentBlocks())];
  const owners = await blockOwners();
  for (const block of new Set([...named, ...owners.keys()])) {
    const owner = owners.get(block);
    if (block === kept || (owner && mayLive(owner))) continue;
    // Its host has not yet put back what was flushed.
    if (!owner && (await isServed(block))) continue;
    if ((await slotsLivedIn(await findNamespaces(block), block)).length > 0) continue;
    // Not what the next host of this block's directory takes over just now, nor what another one removes.
    if (!(await take(block, owner))) continue;
    // What cannot be removed keeps no host from starting; it is an orphan again when this process has ended.
    await releaseBlock(block).catch(() => {});
  }
}

/** Whether any host has a block. */
export async function anyBlockClaimed(): Promise<boolean> {
  return (await blockOwners()).size > 0;
}

function mayLive(owner: string): boolean {
  return stateOfOwner(owner) !== 'dead';
}

const ownerChain = new RegExp(`chain owner-(${ownerTagPattern}) `);

async function blockOwners(): Promise<Map<number, string>> {
  const listed = await runOn('', 'nft', 'list', 'chains', 'inet');
  const found = listed.matchAll(/^table inet sandpiper-(\d+) \{\n((?:\t.*\n|\n)*)\}/gm);
  return new Map(
    [...found].map(([, block, chains = '']) => [Number(block), ownerChain.exec(chains)?.[1] ?? 'unknown']),
  );
}

/** Addresses this machine leads somewhere, in every table. */
async function routedRanges(): Promise<string[]> {
  const routes = await runOn('', 'ip', '-4', '-o', 'route', 'show', 'table', 'all');
  return [...routes.matchAll(/^(?:[a-z]+ )?(\d+\.\d+\.\d+\.\d+(?:\/\d+)?) /gm)].map(
    ([, range = '']) => range,
  );
}

async function slotsLivedIn(slots: number[], block: number): Promise<number[]> {
  if (slots.length === 0) return [];
  const spaces = await Promise.all(slots.map((slot) => inodeOf(namespacePath(block, slot))));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lived = await Promise.all(pids.map((pid) => inodeOf(`/proc/${pid}/ns/net`)));
  return slots.filter((_, index) => spaces[index] !== undefined && lived.includes(spaces[index]));
}

async function inodeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );
}
