import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';
import { failureText, requireTool, run } from '@sandpiper/sandbox-engine/local/shell';
import { supervisorScript } from './supervisor/supervisor-script.js';

/** Runs the script that follows in namespaces of its own. */
const inNamespaces: readonly string[] = [
  'unshare',
  '--mount',
  '--pid',
  '--ipc',
  '--uts',
  '--fork',
  '--kill-child=KILL',
  'sh',
  '-c',
];

/** Why sandboxes cannot have namespaces here; undefined when a probe made some. */
export async function namespacesObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `${process.platform} has none`;
  if (process.getuid?.() !== 0) return 'the host does not run as root';
  if (!supervisorScript) return `the system calls of ${process.arch} are not known`;
  try {
    await requireTool('perl-base', 'perl', '-e', '1');
    await requireTool('util-linux', 'unshare', '--version');
    await requireTool('util-linux', 'setpriv', '--version');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  try {
    // What a sandbox's start does, in small.
    const probe = 'mount -t tmpfs tmpfs /tmp && setpriv --bounding-set=-all --no-new-privs true';
    const [file = '', ...args] = inNamespaces;
    await run(file, ...args, probe);
    return undefined;
  } catch (error) {
    return `the system refused (${failureText(error)})`;
  }
}

/** Whether changes can be kept beside read-only layers in this directory; not so on some container file systems. */
export async function canOverlay(directory: string, remove: Remove): Promise<boolean> {
  const probe = join(directory, 'overlay-probe');
  for (const name of ['lower', 'upper', 'work', 'root']) await mkdir(join(probe, name), { recursive: true });
  const script =
    'cd "$0" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,volatile root && : > root/file';
  const works = await run('unshare', '--mount', 'sh', '-c', script, probe).then(
    () => true,
    (error: unknown) => {
      // For want of room nothing is known of it.
      if (error instanceof HostError) throw error;
      return false;
    },
  );
  await remove(probe);
  return works;
}
