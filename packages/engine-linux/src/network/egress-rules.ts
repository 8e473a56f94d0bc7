import { isIPv4, isIPv6 } from 'node:net';
import type { NetworkPolicy } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { isWithin } from './address-plan.js';

/** A network policy as it is enforced: addresses by the kernel, names by the proxy. */
export interface EgressRules {
  /** Whether public addresses are reached that no rule names. */
  internet: boolean;
  /** CIDR ranges. */
  allow: string[];
  /** CIDR ranges. */
  deny: string[];
  /** Host names, lower-case, `*.` in front for all below; none where everything public is open anyway. */
  names: string[];
}

/** Where the machine's own and its neighbours' secrets are: never meant by "the internet". RFC 6890. */
export const reservedRanges: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

const everything = '0.0.0.0/0';
const entriesAllowed = 256;
const namePattern =
  /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * Reads a policy the way E2B does: what is allowed is allowed whatever is denied, names are only for allowing, and no
 * internet is the same as denying everything.
 *
 * @throws HostError 400 naming the entry that cannot be enforced.
 */
export function readPolicy(policy: NetworkPolicy): EgressRules {
  const { allowOut, denyOut } = policy;
  if (allowOut.length + denyOut.length > entriesAllowed) {
    throw new HostError(400, `network: allowOut and denyOut hold more than ${entriesAllowed} entries.`);
  }
  const allow: string[] = [];
  const names: string[] = [];
  for (const entry of allowOut) {
    const range = toRange(entry);
    if (range) allow.push(range);
    else if (namePattern.test(entry.toLowerCase())) names.push(entry.toLowerCase());
    else
      throw new HostError(400, `network.allowOut: "${entry}" is no IPv4 address, CIDR range or host name.`);
  }
  const deny: string[] = [];
  for (const entry of denyOut) {
    const range = toRange(entry);
    if (range) deny.push(range);
    // Sandboxes have no IPv6 at all.
    else if (!isIPv6(entry.split('/')[0] ?? ''))
      throw new HostError(
        400,
        `network.denyOut: "${entry}" is no address or CIDR range; names can only be allowed.`,
      );
  }
  const internet = allow.includes(everything) || (policy.internet && !deny.includes(everything));
  return {
    internet,
    allow,
    deny: allow.includes(everything) ? [] : deny,
    names: internet && deny.length === 0 ? [] : names,
  };
}

/** Whether anything but the proxy is ever to be reached. */
export function opensAnything(rules: EgressRules): boolean {
  return rules.internet || rules.allow.length > 0;
}

export function isReserved(range: string): boolean {
  return reservedRanges.some((reserved) => isWithin(range, reserved));
}

/** Whether a name is among those allowed. */
export function allowsName(rules: EgressRules, name: string): boolean {
  const asked = name.toLowerCase().replace(/\.$/, '');
  return rules.names.some((one) => (one.startsWith('*.') ? asked.endsWith(one.slice(1)) : asked === one));
}

/** Whether an address is among those allowed by itself. */
export function allowsAddress(rules: EgressRules, address: string): boolean {
  const within = (ranges: readonly string[]): boolean => ranges.some((range) => isWithin(address, range));
  return isReserved(address) ? within(rules.allow.filter(isReserved)) : within(rules.allow);
}

function toRange(entry: string): string | undefined {
  const [address = '', bits = '32', ...more] = entry.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || more.length > 0) return undefined;
  return `${address}/${Number(bits)}`;
}
