import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';

/** A program in a process of its own. */
export interface Program {
  readonly child: ChildProcess;
  /** What it has written to its standard output so far, in lines. */
  readonly lines: string[];
  /** The code it ends with. */
  readonly exit: Promise<number | null>;
}

/**
 * Builds and starts one of `test/programs`, from the sources; it is ended with the test. Resolves at its first line.
 *
 * @param descriptors - How many it may have. Default: as many as the tests.
 */
export async function spawnProgram(
  name: string,
  env: Record<string, string>,
  descriptors?: number,
): Promise<Program> {
  // Where the packages that are not bundled are found.
  const folder = await mkdtemp(fileURLToPath(new URL('../node_modules/.program-', import.meta.url)));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'program.mjs');
  const entry = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
    external: ['prom-client', 'ws', 'jose'],
  });
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `;
  const child = spawn('sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, outfile], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    void exit.then((code) => reject(new Error(`${name} ended with code ${code} before it said anything.`)));
    child.stdout.on('data', (data) => {
      lines.push(...String(data).trimEnd().split('\n'));
      resolve();
    });
  });
  return { child, lines, exit };
}
