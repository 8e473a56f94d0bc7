import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';
import { run } from '@sandpiper/sandbox-engine/local/shell';
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
    await run('perl', '-e', '1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'perl is missing (Debian: perl-base)';
    return `perl does not run (${error instanceof Error ? error.message.trim() : String(error)})`;
  }
  try {
    // What a sandbox's start does, in small.
    const probe = 'mount -t tmpfs tmpfs /tmp && setpriv --bounding-set=-all --no-new-privs true';
    const [file = '', ...args] = inNamespaces;
    await run(file, ...args, probe);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'unshare is missing (Debian: util-linux)';
    const message = error instanceof Error ? error.message : String(error);
    // The first line is the command.
    const detail = message.split('\n').slice(1).join(' ').trim();
    return `the system refused (${detail || message})`;
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
    () => false,
  );
  await remove(probe);
  return works;
}
