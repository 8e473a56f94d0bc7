import { readFile } from 'node:fs/promises';
import type { SandboxIds } from '@sandpiper/sandbox-engine/local/sandbox-ids';
import { failureText, run } from '@sandpiper/sandbox-engine/local/shell';
import { perlScript } from './supervisor/perl-script.js';
import userNamespace from './supervisor/user-namespace.pl';

/** Above what Debian gives to local users and to their containers, below what systemd leaves to nobody. */
const base = 0x1000_0000;
/** The users of a sandbox, and then an owner for each sandbox's namespace, told apart by process number. */
const count = 0x1_0000 + 2 ** 22;

const ownIds: SandboxIds = { base, user: 1_000 };

/** `user` is then the last of the range Debian leaves to local users, so that it belongs to nobody on the host. */
export const sharedIds: SandboxIds = { base: 0, user: 59_999 };

/** What sandboxes get on this machine, and why it is not a user namespace each. */
export async function findSandboxIds(): Promise<{ ids: SandboxIds; obstacle?: string }> {
  const obstacle = await userNamespaceObstacle();
  return obstacle === undefined ? { ids: ownIds } : { ids: sharedIds, obstacle };
}

async function userNamespaceObstacle(): Promise<string | undefined> {
  for (const map of ['uid_map', 'gid_map']) {
    const text = await readFile(`/proc/self/${map}`, 'utf8').catch(() => undefined);
    if (text === undefined) return 'the kernel has none';
    if (!holdsSandboxes(text))
      return `the host is in a container that has no users from ${base} to ${base + count - 1}`;
  }
  const script = perlScript(`${userNamespace}
    my ($base, $owner) = map { $_ + 0 } @ARGV;
    enter_users(make_users($base, $owner), $owner);
    call('setresuid', 0, 0, 0);`);
  try {
    await run(
      'perl',
      '-e',
      script ?? 'die "system calls are not known\n"',
      String(base),
      String(base + 65_536),
    );
    return undefined;
  } catch (error) {
    return `the system refused (${failureText(error)})`;
  }
}

/** Whether a uid_map, as user_namespaces(7) describes it, holds every user that is needed, in a row. */
export function holdsSandboxes(map: string): boolean {
  return map.split('\n').some((line) => {
    const [first = 0, , length = 0] = line.trim().split(/\s+/).map(Number);
    return first <= base && base + count <= first + length;
  });
}
