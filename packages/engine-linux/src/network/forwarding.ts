import { access, constants, readdir, readFile, writeFile } from 'node:fs/promises';
import { anyBlockClaimed } from './claim.js';
import { anyLink } from './packet-filter.js';
import { nft, runOn } from './tools.js';

const setting = '/proc/sys/net/ipv4/ip_forward';

/**
 * Keeps a machine that did not forward packets from doing so for its neighbours, too: for what comes in by the
 * interfaces it has now. Those that come later, as a container engine's, are for the program that makes them.
 */
export async function guardText(): Promise<string> {
  const interfaces = await readdir('/sys/class/net');
  const guarded = interfaces.filter((name) => name !== 'lo' && !name.startsWith('sand'));
  const chain = 'inet sandpiper through_host';
  const rules = [
    `oifname ${anyLink} accept`,
    'ct state established,related accept',
    'ct status dnat accept',
    ...guarded.map((name) => `iifname "${name}" meta nfproto ipv4 drop`),
  ];
  return [
    'table inet sandpiper {',
    ' chain through_host { type filter hook forward priority filter; }',
    '}',
    `flush chain ${chain}`,
    ...rules.map((rule) => `add rule ${chain} ${rule}`),
    '',
  ].join('\n');
}

/** @throws Error where this machine does not forward packets and cannot be made to. */
export async function checkForwarding(): Promise<void> {
  if (await isForwarding()) return;
  await access(setting, constants.W_OK).catch(() => {
    throw new Error('the kernel setting net.ipv4.ip_forward is 0 and cannot be written');
  });
}

/**
 * Lets this machine forward what sandboxes send, unless it forwards already.
 *
 * @returns whether its neighbours are kept from what is forwarded for sandboxes alone.
 */
export async function enableForwarding(): Promise<boolean> {
  if (await isForwarding()) return /^table inet sandpiper$/m.test(await runOn('', 'nft', 'list', 'tables'));
  await nft(await guardText());
  await writeFile(setting, '1');
  return true;
}

/** Leaves the machine as it was when no host needs it any more. */
export async function restoreForwarding(): Promise<void> {
  if (await anyBlockClaimed()) return;
  // Without the guard it was not a host that turned it on.
  const guarded = await nft('delete table inet sandpiper\n').then(
    () => true,
    () => false,
  );
  if (!guarded) return;
  await writeFile(setting, '0');
  // A host that started meanwhile may have found it on.
  if (await anyBlockClaimed()) await enableForwarding();
}

export async function isForwarding(): Promise<boolean> {
  return (await readFile(setting, 'utf8')).trim() === '1';
}
