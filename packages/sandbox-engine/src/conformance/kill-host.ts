import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { textLoader } from '../../../../scripts/text-files.js';
import type { Orders } from './short-lived-host.js';

/** What a process of its own does with an engine before it is killed. */
export type Killed = Pick<Orders, 'directory' | 'id'> &
  Partial<Pick<Orders, 'freeze'>> & {
    commands: (Pick<Orders['commands'][number], 'script' | 'label'> & Partial<Orders['commands'][number]>)[];
  };

/** Builds a program that calls `beShortLivedHost`. */
export class HostProgram implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async build(program: string): Promise<HostProgram> {
    // Beside the dependency that cannot be built in, so that it is found.
    const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
    const directory = await mkdtemp(join(modules, '.short-lived-host-'));
    await build({
      loader: textLoader,
      entryPoints: [program],
      outfile: join(directory, 'program.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['@lydell/node-pty'],
    });
    return new HostProgram(directory);
  }

  /** Runs the program until it has done what it is to do, and kills it. */
  async runAndKill({ commands, freeze = false, ...rest }: Killed): Promise<void> {
    const orders: Orders = {
      ...rest,
      freeze,
      commands: commands.map((one) => ({ stdin: false, terminal: false, ...one })),
    };
    const child = spawn(process.execPath, [join(this.#directory, 'program.mjs'), JSON.stringify(orders)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // Before the test that waits for it gives up, so that nothing is left.
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    child.kill('SIGKILL');
    if (String(said) !== 'ready\n') throw new Error(`The program to be killed did not get ready: ${said}`);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
