import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { nobodysTag, ownerTag, ownerTagPattern } from '@sandpiper/sandbox-engine/owner';
import { missingTools } from '@sandpiper/sandbox-engine/testing/machine';
import { durableName } from '../control-groups/host-names.js';

/** Numbers of processes with this text in their command line. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
      } catch {
        return false;
      }
    });
}

/** The control groups of a data directory and of its sandboxes, whatever their version and controller. */
export function groupsOf(dataDir: string): string[] {
  if (!existsSync('/sys/fs/cgroup')) return [];
  const name = durableName(existsSync(dataDir) ? realpathSync(dataDir) : dataDir);
  // Groups of other hosts come and go meanwhile, at which `find` fails in the end.
  return linesOf('sh', '-c', 'find /sys/fs/cgroup -type d -path "$0" 2>/dev/null; true', `*/${name}*`);
}

/** Loop devices of disks of sandboxes in a data directory, and what of it is mounted where everybody sees it. */
export function disksOf(dataDir: string): string[] {
  const place = existsSync(dataDir) ? realpathSync(dataDir) : dataDir;
  const devices = readdirSync('/sys/block').flatMap((name) => {
    try {
      return [`${name} ${readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim()}`];
    } catch {
      // It stands for nothing.
      return [];
    }
  });
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return [...devices, ...mounts].filter((line) => line.includes(`${place}/`));
}

/** Networks that the host of a data directory keeps. */
export interface Networks {
  block: number;
  /** The sandboxes that have a chain in the packet filter, and the slots of those that have a link. */
  sandboxes: Map<string, number>;
  chains: string[];
  /** Slots that have a namespace, and slots that have a link. */
  namespaces: number[];
  links: number[];
}

/** What there is of the network of a data directory's host; undefined where it has none. */
export function networksOf(dataDir: string): Networks | undefined {
  const file = join(dataDir, 'network.json');
  if (!existsSync(file)) return undefined;
  const { block } = JSON.parse(readFileSync(file, 'utf8')) as { block: number };
  const table = linesOf('nft', 'list', 'table', 'inet', `sandpiper-${block}`).join('\n');
  const slots = (names: string[], pattern: RegExp): number[] =>
    names.map((name) => Number(pattern.exec(name)?.[1])).filter(Number.isInteger);
  return {
    block,
    chains: [...table.matchAll(/chain sandbox-(\w+) /g)].map(([, id = '']) => id),
    sandboxes: new Map(
      [...table.matchAll(/"sand\d+-(\d+)" : goto sandbox-(\w+)/g)].map(([, slot, id = '']) => [
        id,
        Number(slot),
      ]),
    ),
    namespaces: slots(readdirSync('/run/netns'), new RegExp(`^sandpiper-${block}-(\\d+)$`)),
    links: slots(readdirSync('/sys/class/net'), new RegExp(`^sand${block}-(\\d+)$`)),
  };
}

/** What there is of a block of addresses on the machine: each with what tells it from a later one of its name. */
export function tracesOfBlock(block: number | string | undefined): string[] {
  return allTraces().filter((trace) => new RegExp(`^(sandpiper-${block}|sand${block})[- ]`).test(trace));
}

/** The same of a host in this process. What it has given up may be another's by now: tests run beside each other. */
export function tracesOfOwnBlock(block: number | string | undefined): string[] {
  const owner = ownerOfBlock(block);
  return owner === undefined || [ownerTag(), nobodysTag()].includes(owner) ? tracesOfBlock(block) : [];
}

function ownerOfBlock(block: number | string | undefined): string | undefined {
  if (missingTools('nft').length > 0) return undefined;
  const table = linesOf('sh', '-c', 'nft list table inet "$0" 2>/dev/null || true', `sandpiper-${block}`);
  return new RegExp(`chain owner-(${ownerTagPattern}) `).exec(table.join('\n'))?.[1];
}

/** Those of these traces that have not gone. */
export function stillThere(traces: string[]): string[] {
  const all = new Set(allTraces());
  return traces.filter((trace) => all.has(trace));
}

function allTraces(): string[] {
  const namespaces = linesOf(
    'sh',
    '-c',
    'cd /run/netns 2>/dev/null && stat -c "%n %i" sandpiper-* 2>/dev/null || true',
  );
  const links = linesOf('sh', '-c', 'cd /sys/class/net && grep -H . sand*/ifindex 2>/dev/null || true');
  // Without the tool there has never been a table.
  const tables =
    missingTools('nft').length > 0 ? '{ "nftables": [] }' : linesOf('nft', '-j', 'list', 'tables').join('');
  const { nftables } = JSON.parse(tables) as { nftables: { table?: { name: string; handle: number } }[] };
  return [
    ...namespaces,
    ...links.map((line) => line.replace('/ifindex:', ' ')),
    ...nftables.flatMap(({ table }) => (table ? [`${table.name} ${table.handle}`] : [])),
  ];
}

function linesOf(file: string, ...args: string[]): string[] {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    .split('\n')
    .filter(Boolean);
}
