import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineSandbox, Image } from '@sandpiper/sandbox-engine/engine';
import type { SandboxFiles } from '@sandpiper/sandbox-engine/files';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { FileAttributes } from '@sandpiper/sandbox-engine/local/files/file-attributes';
import { localFiles } from '@sandpiper/sandbox-engine/local/files/local-files';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';
import { writeShellFiles } from '@sandpiper/sandbox-engine/local/home-files';
import { launch } from '@sandpiper/sandbox-engine/local/launch';
import type { Launcher } from '@sandpiper/sandbox-engine/local/launch-text';
import { makeLayer } from '@sandpiper/sandbox-engine/local/layers';
import { dialPort } from '@sandpiper/sandbox-engine/local/ports/dial-port';
import { withPorts } from '@sandpiper/sandbox-engine/local/ports/port-scripts';
import { copyTree } from '@sandpiper/sandbox-engine/local/shell';
import { diskStats, processStats } from '@sandpiper/sandbox-engine/local/stats';
import {
  findTaggedProcesses,
  killTaggedProcesses,
  sandboxTag,
  signalTaggedProcesses,
  trySignal,
} from '@sandpiper/sandbox-engine/local/tagged-processes';
import { isInTmp, MachineTmp, removeMadeInTmp } from './machine-tmp.js';

/** What a sandbox without namespaces is made from. */
export interface PlainSandboxOptions {
  id: string;
  /** The sandbox's own directory on the host. Where it is there, its files are what the sandbox starts with. */
  directory: string;
  image: Image;
  layerPath: (layer: string) => string;
  /** Where the port scripts lie on the host. */
  portScripts: string;
  /** Whether `setpriv` can bind a process to its parent's life. */
  endWithHost: boolean;
  attributes: FileAttributes;
  remove: Remove;
}

/**
 * Starts a sandbox that is a private directory and processes of the user who runs the host. It keeps sandboxes apart
 * that mean well; it holds nothing in that does not.
 */
export async function startPlainSandbox(options: PlainSandboxOptions): Promise<EngineSandbox> {
  const { id, directory, image } = options;
  if (!existsSync(directory)) {
    for (const layer of image.layers) await copyTree(options.layerPath(layer), directory);
  }
  const ports = join(directory, 'run/sandpiper/ports');
  await mkdir(ports, { recursive: true });
  const groups = new Set<number>();
  const everyProcess = (): Promise<number[]> => findTaggedProcesses(id, groups);

  const pathInside = (path: string): string =>
    path === directory || path.startsWith(`${directory}/`) ? path : join(directory, path);
  const launcher: Launcher = {
    // Where it is available, the end of the host is the end of its commands.
    prefix: [...(options.endWithHost ? ['setpriv', '--pdeathsig', 'KILL'] : []), '/bin/sh', '-c'],
    signal: async (pid, signal) => trySignal(-pid, signal),
  };
  const inner = localFiles(directory, undefined, options.attributes);
  const tmp = new MachineTmp(directory, options.attributes).files;
  /** Programs see the host's paths, so these come back to us: they mean the same files. */
  const isHostPath = (path: string): boolean => path.startsWith(`${directory}/`);
  /** Whose a path is, and how it is called there. */
  const placeOf = (path: string): [SandboxFiles, string] => {
    if (isHostPath(path)) return [inner, path.slice(directory.length)];
    return isInTmp(path) ? [tmp, path] : [inner, path];
  };
  const at = <T>(path: string, use: (files: SandboxFiles, path: string) => T): T => use(...placeOf(path));
  let destroying: Promise<void> | undefined;
  const destroy = async (keepFiles: boolean): Promise<void> => {
    await killTaggedProcesses(id, groups);
    if (keepFiles) return;
    await removeMadeInTmp(directory, options.remove);
    await options.remove(directory);
  };

  return {
    pathInside,
    limits: {},
    files: {
      stat: (path) => at(path, (files, own) => files.stat(own)),
      list: (path, ...rest) => at(path, (files, own) => files.list(own, ...rest)),
      read: (path) => at(path, (files, own) => files.read(own)),
      write: (path, ...rest) => at(path, (files, own) => files.write(own, ...rest)),
      makeDirectory: (path, owner) => at(path, (files, own) => files.makeDirectory(own, owner)),
      async move(from, to, owner) {
        const [files, source] = placeOf(from);
        const [target, destination] = placeOf(to);
        if (files === target) return files.move(source, destination, owner);
        // From the one to the other, as the machine has them.
        const hostPath = (path: string): string =>
          isInTmp(path) && !isHostPath(path) ? path : pathInside(path);
        const moved = await tmp.move(hostPath(from), hostPath(to), owner);
        return { ...moved, path: destination };
      },
      remove: (path) => at(path, (files, own) => files.remove(own)),
      watch: (path, recursive, onEvent) => at(path, (files, own) => files.watch(own, recursive, onEvent)),
    },
    async exec(command) {
      if (destroying) throw new HostError(404, `The sandbox ${id} is not running any more.`);
      const env = {
        ...withPorts(command.env, ports, options.portScripts),
        HOME: pathInside(command.env.HOME ?? '/home/user'),
        TMPDIR: join(directory, 'tmp'),
        [sandboxTag]: id,
      };
      const process = await launch(launcher, { ...command, cwd: pathInside(command.cwd), env });
      groups.add(process.pid);
      const forget = (): unknown => groups.delete(process.pid);
      process.ended.then(forget, forget);
      return process;
    },
    // What cannot be enforced is refused before it gets here.
    setNetwork: async () => {},
    dial: (port) => dialPort(ports, port, everyProcess),
    freeze: () => signalTaggedProcesses(id, groups, 'SIGSTOP'),
    thaw: () => signalTaggedProcesses(id, groups, 'SIGCONT'),
    async hibernate() {
      throw new HostError(501, 'This host cannot hibernate sandboxes: it cannot make memory control groups.');
    },
    async checkpoint() {
      const layer = await makeLayer(options, async (to) => {
        await copyTree(directory, to);
        await options.remove(join(to, 'run/sandpiper'));
      });
      return { layers: [layer] };
    },
    // There is no process whose end would be the end of all.
    lost: new Promise(() => {}),
    stats: async () => ({ ...(await processStats(await everyProcess())), ...(await diskStats(directory)) }),
    destroy({ keepFiles = false } = {}) {
      destroying ??= destroy(keepFiles).catch((error: unknown) => {
        // What still runs can be ended yet.
        destroying = undefined;
        throw error;
      });
      return destroying;
    },
  };
}

/** Makes the lowest layer of sandboxes without a root of their own: a home and a place for temporary files. */
export async function makePlainSkeleton(root: string): Promise<void> {
  for (const name of ['home/user', 'root', 'tmp', 'run/sandpiper/ports'])
    await mkdir(join(root, name), { recursive: true });
  for (const home of ['root', 'home/user']) await writeShellFiles(join(root, home));
  // A login shell resets the search path; this puts back the Node.js that runs the host.
  const nodeDirectory = join(process.execPath, '..');
  await writeFile(
    join(root, 'home/user/.bash_profile'),
    `export PATH="${nodeDirectory}:$PATH:$HOME/.local/bin"\n. ~/.profile\n`,
  );
}
