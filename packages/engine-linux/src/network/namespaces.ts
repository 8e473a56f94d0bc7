import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { linkAddresses } from './address-plan.js';
import { linkName } from './packet-filter.js';
import { ip, runOn } from './tools.js';

/** Where `ip netns` keeps namespaces by name. */
const directory = '/run/netns';

/** What opens the network namespace of a slot. */
export function namespacePath(block: number, slot: number): string {
  return `${directory}/${namespaceName(block, slot)}`;
}

function namespaceName(block: number, slot: number): string {
  return `sandpiper-${block}-${slot}`;
}

/** The sandbox's end of its link, run inside with the host's and the sandbox's address. */
const innerEnd = `
ip -batch - <<END
link set lo up
address add $2/31 dev eth0
link set eth0 up
route add default via $1
END
`;

/**
 * Run inside, with the host's and the sandbox's address. What comes in is led to the loopback address, so that
 * servers that listen on `localhost` are reached like those that listen everywhere.
 */
const inside = `
echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
# Nobody inside has privileges over it, and all its ports are the sandbox's own.
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
off=/proc/sys/net/ipv6/conf/all/disable_ipv6
[ ! -e $off ] || echo 1 > $off
nft -f - <<END
table ip sandpiper {
 chain arriving {
  type nat hook prerouting priority dstnat
  iifname "eth0" meta l4proto tcp dnat to 127.0.0.1
 }
}
END
`;

/** Makes network namespaces with a loopback and a link to the host each. Leaves none when one fails. */
export async function makeNamespaces(block: number, slots: number[]): Promise<void> {
  const names = slots.map((slot) => `netns add ${namespaceName(block, slot)}`);
  try {
    await connect(block, slots, { before: names, inside: inside + innerEnd });
  } catch (error) {
    // At once, links too: the same slot may be tried again.
    const undo = slots.flatMap((slot) => [
      `link delete ${linkName(block, slot)}\n`,
      `netns delete ${namespaceName(block, slot)}\n`,
    ]);
    await runOn(undo.join(''), 'ip', '-force', '-batch', '-').catch(() => {});
    throw error;
  }
}

/** Makes links again that were deleted, for namespaces that are there. */
export function makeLinks(block: number, slots: number[]): Promise<void> {
  return connect(block, slots, { before: [], inside: innerEnd });
}

/** Makes links to namespaces, and sets them up at both ends. */
async function connect(
  block: number,
  slots: number[],
  { before, inside: script }: { before: string[]; inside: string },
): Promise<void> {
  const links = slots.flatMap((slot) => {
    const link = linkName(block, slot);
    return [
      `link add ${link} type veth peer name eth0 netns ${namespaceName(block, slot)}`,
      `address add ${linkAddresses(block, slot).outer}/31 dev ${link}`,
      `link set ${link} up`,
    ];
  });
  const enter = slots.map((slot) => {
    const { outer, inner } = linkAddresses(block, slot);
    return `nsenter --net=${namespacePath(block, slot)} sh -ec "$inside" sh ${outer} ${inner}`;
  });
  const all = ['ip -batch - <<END', ...before, ...links, 'END', 'inside=$1', ...enter].join('\n');
  await runOn('', 'sh', '-ec', all, 'sh', script);
}

/** Removes namespaces, and with them their links, those that are not there aside. */
export async function removeNamespaces(block: number, slots: number[]): Promise<void> {
  const there = slots.filter((slot) => existsSync(namespacePath(block, slot)));
  if (there.length > 0)
    await ip(there.map((slot) => `netns delete ${namespaceName(block, slot)}\n`).join(''));
}

/** Waits until the kernel has taken down the links of a block whose namespaces were removed. */
export async function linksGone(block: number): Promise<void> {
  for (const deadline = Date.now() + 5_000; ; ) {
    const links = (await readdir('/sys/class/net')).filter((name) => name.startsWith(`sand${block}-`));
    if (links.length === 0) return;
    if (Date.now() > deadline) {
      // Something holds on to a namespace: without a link it leads nowhere.
      await ip(links.map((link) => `link delete ${link}\n`).join('')).catch(() => {});
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function linkIsThere(block: number, slot: number): boolean {
  return existsSync(`/sys/class/net/${linkName(block, slot)}`);
}

/** The slots of a block that have a namespace. */
export async function findNamespaces(block: number): Promise<number[]> {
  return (await allNamespaces()).filter((one) => one.block === block).map(({ slot }) => slot);
}

/** The blocks that have a namespace. */
export async function namespaceBlocks(): Promise<number[]> {
  return (await allNamespaces()).map(({ block }) => block);
}

async function allNamespaces(): Promise<{ block: number; slot: number }[]> {
  const names = await readdir(directory).catch(() => []);
  return names.flatMap((name) => {
    const [, block, slot] = /^sandpiper-(\d+)-(\d+)$/.exec(name) ?? [];
    return slot === undefined ? [] : [{ block: Number(block), slot: Number(slot) }];
  });
}
