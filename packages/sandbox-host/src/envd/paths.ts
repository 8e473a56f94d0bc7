import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import type { Sandbox } from '../sandboxes/sandbox.js';

const homes: Record<SandboxUser, string> = { user: '/home/user', root: '/root' };

/** Makes a path absolute: `~` is the user's home, and so is where relative paths begin. */
export function resolvePath(path: string, user: SandboxUser, sandbox: Sandbox): string {
  if (path.startsWith('/')) return path;
  if (path === '~' || path.startsWith('~/')) return `${homes[user]}${path.slice(1)}`;
  const base = user === sandbox.settings.user ? sandbox.settings.workdir : homes[user];
  return path === '' || path === '.' ? base : `${base}/${path}`;
}

/** @throws HostError 401 for a name that no user inside has. */
export function parseUser(name: string | undefined, fallback: SandboxUser): SandboxUser {
  if (name === undefined || name === '') return fallback;
  if (name !== 'user' && name !== 'root') {
    // E2B's words come first.
    throw new HostError(401, `invalid username: '${name}': the users of a sandbox are "user" and "root".`);
  }
  return name;
}
