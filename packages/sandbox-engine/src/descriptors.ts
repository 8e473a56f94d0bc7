import { closeSync, openSync, readFileSync } from 'node:fs';
import { HostError } from './host-error.js';

/** What is taken for the limit where the system does not say. */
const usualLimit = 1_024;
/** Descriptors that nothing but the end of sandboxes, the audit log and the journals may use. */
const reserve = 48;
/** What the host itself has open besides sandboxes and connections. */
const ownUse = 64;
/** However low the limit is, some can connect. */
const leastConnections = 16;

/** How many descriptors this process may have (getrlimit(2), RLIMIT_NOFILE; Node.js raises it as far as it may at its start). */
function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]) || usualLimit;
  } catch {
    return usualLimit;
  }
}

/** How many connections can be open at a time: each may need one descriptor more, for a file or a port. */
export function connectionBudget(limit: number = descriptorLimit()): number {
  return Math.max(Math.floor((limit - reserve - ownUse) / 2), leastConnections);
}

/** Whether this many descriptors could be opened now. Tried, since no call reports how many are left on every system. */
export function haveDescriptors(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync('/dev/null', 'r'));
    return true;
  } catch {
    return false;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** @throws HostError 503 when only those are left with which sandboxes are ended and decisions written down. */
export function requireDescriptors(): void {
  if (haveDescriptors(reserve)) return;
  throw new HostError(
    503,
    'The sandbox host has too few file descriptors left (ulimit -n): try again when connections or sandboxes have ended.',
  );
}
