import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { textLoader } from '../../../scripts/text-files.js';
import { installedPackages } from './bundle-program.js';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** A network and mounts of its own: what is done to the packet filter there is not done to this machine's. */
const makeMachine = `set -e
ip link set lo up
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
mkdir /run/netns/.groups
mount --move /sys/fs/cgroup /run/netns/.groups
mount -t sysfs sysfs /sys
mount --move /run/netns/.groups /sys/fs/cgroup
echo made
exec sleep 3600`;

/** A machine, as far as network and mounts go, that a test may do anything to, with a host on it. */
export class OwnMachine {
  readonly dataDir: string;
  readonly #built: string;
  readonly #machine: ChildProcess;
  #host: ChildProcess | undefined;
  #count = 0;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

  private constructor(machine: ChildProcess, { built, dataDir }: { built: string; dataDir: string }) {
    this.#machine = machine;
    this.#built = built;
    this.dataDir = dataDir;
  }

  static async make(): Promise<OwnMachine> {
    // Beside the dependencies, so that they are found.
    const built = await mkdtemp(join(packageDirectory, 'node_modules/.own-machine-'));
    await build({
      loader: textLoader,
      entryPoints: [join(packageDirectory, 'test/programs/machine-host.ts')],
      outfile: join(built, 'machine-host.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: installedPackages,
    });
    const machine = spawn('unshare', ['--net', '--mount', 'sh', '-c', makeMachine], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await Promise.race([
      once(machine.stdout, 'data'),
      once(machine, 'exit').then(() => Promise.reject(new Error('No machine could be made.'))),
    ]);
    return new OwnMachine(machine, { built, dataDir: await mkdtemp(join(tmpdir(), 'own-machine-')) });
  }

  /** Starts a host on it. */
  async start(): Promise<void> {
    const program = [process.execPath, join(this.#built, 'machine-host.mjs'), this.dataDir];
    const enter = ['--net', '--mount', '--target', String(this.#machine.pid)];
    const host = spawn('nsenter', [...enter, '--', ...program], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#host = host;
    host.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`The host ended (${signal ?? code}).`));
      this.#waiting.clear();
    });
    const ready = new Promise<never>((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
    createInterface({ input: host.stdout }).on('line', (line) => {
      const { n, result, error } = JSON.parse(line);
      const waiting = this.#waiting.get(n);
      this.#waiting.delete(n);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new Error(error));
    });
    await ready;
  }

  /** Has the host's process do something (see `programs/machine-host.ts`). */
  order<T>(what: string, given: object = {}): Promise<T> {
    const n = ++this.#count;
    this.#host?.stdin?.write(`${JSON.stringify({ n, do: what, ...given })}\n`);
    return new Promise<T>((resolve, reject) => this.#waiting.set(n, { resolve, reject }));
  }

  /** Runs a tool on it. */
  run(...args: string[]): Promise<string> {
    return this.order('run', { args });
  }

  /** Runs a tool on it without the host. */
  async runAlone(...args: string[]): Promise<void> {
    const enter = ['--net', '--mount', '--target', String(this.#machine.pid), '--', ...args];
    await once(spawn('nsenter', enter, { stdio: 'inherit' }), 'exit');
  }

  call(method: string, path: string): Promise<{ status: number; body: string }> {
    return this.order('call', { method, path });
  }

  async killHost(): Promise<void> {
    if (!this.#host || this.#host.exitCode !== null || this.#host.signalCode !== null) return;
    const ended = once(this.#host, 'exit');
    this.#host.kill('SIGKILL');
    await ended;
  }

  async end(): Promise<void> {
    try {
      // What runs there ends with a host that closes.
      await this.killHost();
      await this.start();
      await this.order('close');
    } finally {
      await this.killHost();
      this.#machine.kill('SIGKILL');
      for (const path of [this.#built, this.dataDir]) await rm(path, { recursive: true, force: true });
    }
  }
}
