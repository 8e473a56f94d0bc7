import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readlinkSync } from 'node:fs';
import { ownerTag, ownerTagPattern, stateOfOwner } from '@sandpiper/sandbox-engine/owner';

const ownNamePattern = new RegExp(`^sandpiper-(${ownerTagPattern})-[0-9a-f]{8}$`);
const durableNamePattern = /^sandpiper-data-(\d+)-(%2F.*)$/;
/** The longest name. */
const longest = 255;

/** A name for the groups of a host whose sandboxes end with it; no other host ever has the same. */
export function ownName(): string {
  return `sandpiper-${ownerTag()}-${randomUUID().slice(0, 8)}`;
}

/** The name for the groups of a data directory, the same for each host that has it. */
export function durableName(dataDirectory: string): string {
  const name = `sandpiper-data-${mountNamespace()}-${encodeURIComponent(dataDirectory)}`;
  if (name.length <= longest) return name;
  // Of which nobody can tell whether it is still there.
  return `sandpiper-data-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16)}`;
}

/** Whether nobody can need the groups of this name any more: their host has died, or their data directory has gone. */
export function isOrphan(name: string): boolean {
  const owner = ownNamePattern.exec(name)?.[1];
  if (owner !== undefined) return stateOfOwner(owner) === 'dead';
  const [, namespace, path = ''] = durableNamePattern.exec(name) ?? [];
  // Paths mean something only among those who see the same files.
  return namespace !== undefined && namespace === mountNamespace() && !existsSync(decodeURIComponent(path));
}

function mountNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/mnt'))?.[0] ?? '0';
}
