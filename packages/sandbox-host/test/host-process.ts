import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import type { SandboxHostOptions } from '../src/index.js';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** The host as a program of its own can load it. */
export interface BuiltHost extends AsyncDisposable {
  /** Starts a host in a process of its own, so that it can be killed without a chance to tidy up. */
  start(options: SandboxHostOptions, before?: string): Promise<HostProcess>;
}

export interface HostProcess {
  child: ChildProcess;
  connection: { apiUrl: string; sandboxUrl: string; apiKey: string };
  port: number;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
}

/** Bundles the host beside its dependencies, so that they are found. */
export async function buildHost(): Promise<BuiltHost> {
  const built = await mkdtemp(join(packageDirectory, 'node_modules/.host-process-'));
  await build({
    entry: [join(packageDirectory, 'src/index.ts')],
    outDir: built,
    format: 'cjs',
    target: 'node20',
    config: false,
    silent: true,
  });
  return {
    async start(options, before = '') {
      const script = `${before};
        require(${JSON.stringify(join(built, 'index.cjs'))})
          .createSandboxHost(${JSON.stringify(options)})
          .then(({ apiUrl, sandboxUrl, apiKey }) => console.log(JSON.stringify({ apiUrl, sandboxUrl, apiKey })));`;
      const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
      const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
      const [text] = await Promise.race([
        line,
        ended.then(([code, signal]) => {
          throw new Error(`The host ended before it listened (${signal ?? code}).`);
        }),
      ]);
      const connection: HostProcess['connection'] = JSON.parse(text);
      return {
        child,
        connection,
        port: Number(new URL(connection.apiUrl).port),
        async kill() {
          child.kill('SIGKILL');
          await ended;
        },
      };
    },
    [Symbol.asyncDispose]: () => rm(built, { recursive: true, force: true }),
  };
}

/** Numbers of processes with this text in their command line. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
      } catch {
        return false;
      }
    });
}
