import { readFile } from 'node:fs/promises';
import { blocksServedAt, serviceAddress } from './address-plan.js';
import { ip, runOn } from './tools.js';

/** Tells the addresses that hosts have made from those of somebody else. */
const label = 'lo:sandpiper';

/** Gives this machine the address at which a block's host answers its sandboxes. */
export async function addServiceAddress(block: number): Promise<void> {
  await ip(`address replace ${serviceAddress(block)}/32 dev lo label ${label}\n`);
}

/** Takes it away; it may have gone. */
export async function removeServiceAddress(block: number): Promise<void> {
  await ip(`address delete ${serviceAddress(block)}/32 dev lo\n`).catch(() => {});
}

/** The blocks whose address is there and answers nobody: a host listens on its own as long as it lives. */
export async function silentBlocks(): Promise<number[]> {
  const listed = await runOn('', 'ip', '-4', '-o', 'address', 'show', 'dev', 'lo', 'label', label);
  const addresses = [...listed.matchAll(/ inet ([\d.]+)\/32 /g)].map(([, address = '']) => address);
  if (addresses.length === 0) return [];
  const listeners = await listeningAddresses();
  return blocksServedAt(addresses.filter((address) => !listeners.has(address)));
}

/** Whether a host listens on the address of a block. */
export async function isServed(block: number): Promise<boolean> {
  return (await listeningAddresses()).has(serviceAddress(block));
}

/** Of IPv4, as proc_net_tcp tells them: four bytes in the machine's order, the lowest first. */
async function listeningAddresses(): Promise<Set<string>> {
  const table = await readFile('/proc/net/tcp', 'utf8');
  const listening = table.matchAll(/^\s*\d+: ([0-9A-F]{8}):[0-9A-F]{4} [0-9A-F:]+ 0A /gm);
  return new Set([...listening].map(([, hex = '']) => [...Buffer.from(hex, 'hex')].reverse().join('.')));
}
