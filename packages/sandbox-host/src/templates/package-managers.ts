import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** What the command of a step, or the last line it wrote, tells about why it failed. */
const advice: { command?: RegExp; lastLine?: RegExp; what: string }[] = [
  {
    command: /\b(apt|apt-get|aptitude|dpkg)\b/,
    what: "/usr is this machine's own and read-only in sandboxes, so Debian packages cannot be installed there: install them on the machine, or what you need into /opt or the home (npm, pip)",
  },
  {
    // The SDK sends such a link and the files below it; tar has no directory to put them in (npm workspaces have these).
    lastLine: /archive cannot be unpacked: .*(Not a directory|through symlink)/,
    what: 'The SDK sends a link to a directory elsewhere together with the files behind it, for which tar then finds no directory: use copy(…, { resolveSymlinks: true })',
  },
  {
    lastLine: /PEP 668/,
    what: 'Without namespaces pip would install into this machine itself: use a virtual environment (python3 -m venv)',
  },
  {
    lastLine: /command not found/,
    what: "Sandboxes have the programs of this machine's /usr and Node.js: install it on the machine, or bring it with COPY",
  },
];

/** What to do about a step that failed for a reason that lies in how sandboxes are made here. */
export function adviceOn(command: string, lastLine: string): string | undefined {
  return advice.find((one) => one.command?.test(command) || one.lastLine?.test(lastLine))?.what;
}

/** What is installed for all users, since /usr is not the sandbox's own; Python looks here by itself. */
const localPath = '/home/user/.local';

/** Whether paths inside are the sandbox's own, whatever program uses them. */
export function hasOwnRoot(sandbox: Sandbox): boolean {
  return sandbox.engine.pathInside(localPath) === localPath;
}

/** Tells package managers where to install for all users. npm has /opt/node where the sandbox has a root of its own. */
export function installPlaces(sandbox: Sandbox, user: SandboxUser): Record<string, string> {
  const local = sandbox.engine.pathInside(localPath);
  return {
    ...(user === 'root' && { PYTHONUSERBASE: local }),
    ...(!hasOwnRoot(sandbox) && { NPM_CONFIG_PREFIX: local }),
  };
}

/**
 * A command, as root: the user could install nothing beside what root owns. It touches nothing else, since a change of
 * owner copies a file that lies in a layer below.
 */
export const giveToUser: string[] = [
  '/bin/sh',
  '-c',
  `[ ! -d ${localPath} ] || find ${localPath} -user root -exec chown -h user:user {} +`,
];
