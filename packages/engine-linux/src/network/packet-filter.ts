import { blockRange, linkAddresses, serviceAddress } from './address-plan.js';
import { type EgressRules, isReserved, reservedRanges } from './egress-rules.js';

/** Interfaces of every host's sandboxes, as the packet filter's patterns spell it. */
export const anyLink = '"sand*"';

/** The host's end of a sandbox's link. */
export function linkName(block: number, slot: number): string {
  return `sand${block}-${slot}`;
}

export function tableName(block: number): string {
  return `sandpiper-${block}`;
}

/**
 * The walls around all sandboxes of one host, none of which needs to know them one by one. What a sandbox sends is
 * looked at twice: whether it is its own address that it sends from, then where to. Connections to sandboxes are made
 * by this machine only. May be laid over an older one: it is exchanged in one step and the sandboxes in it stay.
 */
export function tableText(block: number, proxyPort: number): string {
  const links = `"sand${block}-*"`;
  const chains: Record<string, { hook?: string; rules: string[] }> = {
    arriving: {
      // Before connections are tracked, so that nothing of it is kept for packets that are nobody's.
      hook: 'type filter hook prerouting priority raw',
      rules: [
        `iifname ${links} meta nfproto ipv6 drop`,
        `iifname ${links} iifname . ip saddr != @addresses drop`,
      ],
    },
    to_host: {
      hook: 'type filter hook input priority filter',
      rules: [
        `iifname ${links} ct state established accept`,
        `iifname ${links} ip daddr ${serviceAddress(block)} tcp dport ${proxyPort} accept`,
        `iifname ${links} goto refused`,
      ],
    },
    through_host: {
      hook: 'type filter hook forward priority filter',
      rules: [
        `oifname ${links} ct state established accept`,
        `iifname ${links} oifname ${anyLink} goto refused`,
        `oifname ${links} drop`,
        'iifname vmap @sandboxes',
        `iifname ${links} goto refused`,
      ],
    },
    leaving: {
      hook: 'type nat hook postrouting priority srcnat',
      rules: [`ip saddr ${blockRange(block)} oifname != ${anyLink} masquerade`],
    },
    to_public: { rules: [`ip daddr { ${reservedRanges.join(', ')} } goto refused`, 'accept'] },
    // Said rather than swallowed: a program that waits in vain looks as if it hung.
    refused: {
      rules: ['meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited'],
    },
  };
  const table = tableName(block);
  const names = Object.keys(chains);
  return [
    `table inet ${table} {`,
    ' set addresses { type ifname . ipv4_addr; }',
    ' map sandboxes { type ifname : verdict; }',
    ...Object.entries(chains).map(([name, { hook }]) => ` chain ${name} { ${hook ? `${hook};` : ''} }`),
    '}',
    ...names.map((name) => `flush chain inet ${table} ${name}`),
    ...Object.entries(chains).flatMap(([name, { rules }]) =>
      rules.map((rule) => `add rule inet ${table} ${name} ${rule}`),
    ),
    '',
  ].join('\n');
}

/** A sandbox and the link that is its own. */
export interface LinkedSandbox {
  block: number;
  slot: number;
  id: string;
}

/** Lets a sandbox send, and says where to; replaces what was said before. */
export function sandboxText(
  { block, slot, id }: LinkedSandbox,
  { internet, allow, deny }: Omit<EgressRules, 'names'>,
  nameservers: readonly string[],
): string {
  const table = tableName(block);
  const link = linkName(block, slot);
  const chain = `inet ${table} sandbox-${id}`;
  const rules = [
    ...allow.filter(isReserved).map((range) => `ip daddr ${range} accept`),
    ...allow.filter((range) => !isReserved(range)).map((range) => `ip daddr ${range} goto to_public`),
    ...deny.map((range) => `ip daddr ${range} goto refused`),
    // Often private, and of no use for anything but names.
    ...(internet
      ? nameservers.map((address) => `ip daddr ${address} meta l4proto { tcp, udp } th dport 53 accept`)
      : []),
    internet ? 'goto to_public' : 'goto refused',
  ];
  return [
    `add chain ${chain}`,
    `flush chain ${chain}`,
    ...rules.map((rule) => `add rule ${chain} ${rule}`),
    `add element inet ${table} sandboxes { "${link}" : goto sandbox-${id} }`,
    `add element inet ${table} addresses { "${link}" . ${linkAddresses(block, slot).inner} }`,
    '',
  ].join('\n');
}

/** Takes away what {@link sandboxText} added, where it is there. */
export function withoutSandboxText(sandbox: LinkedSandbox): string {
  const { block, slot, id } = sandbox;
  const table = tableName(block);
  const link = linkName(block, slot);
  return [
    // What is not there cannot be deleted, and the rest with it would not be.
    sandboxText(sandbox, { internet: false, allow: [], deny: [] }, []),
    `delete element inet ${table} sandboxes { "${link}" : goto sandbox-${id} }`,
    `delete element inet ${table} addresses { "${link}" . ${linkAddresses(block, slot).inner} }`,
    `delete chain inet ${table} sandbox-${id}`,
    '',
  ].join('\n');
}

/** Reads which sandbox has which link from the list of the map `sandboxes`. */
export function readSlots(listed: string): Map<string, number> {
  const found = listed.matchAll(/"sand\d+-(\d+)" : goto sandbox-(\w+)/g);
  return new Map([...found].map(([, slot, id]) => [id ?? '', Number(slot)]));
}
