import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { textLoader } from '../../../scripts/text-files.js';
import { createSandboxHost, type SandboxHostOptions } from '../src/index.js';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Hosts that can be killed, and a data directory for the test that they are of. */
export interface HostProcesses {
  readonly dataDir: string;
  /**
   * Starts a host in a process of its own, so that it can be killed without a chance to tidy up.
   *
   * @param before - A script that is run there first.
   * @param how - Whose process it is (default: ours), and how many descriptors it may have (ulimit -n; default: as many as we).
   */
  start(options: SandboxHostOptions, before?: string, how?: HostProcessOptions): Promise<HostProcess>;
}

export interface HostProcessOptions {
  uid?: number;
  gid?: number;
  descriptors?: number;
}

export interface HostProcess {
  child: ChildProcess;
  connection: { apiUrl: string; sandboxUrl: string; apiKey: string };
  port: number;
  /** Settles when it has ended. */
  ended: Promise<unknown>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
}

/** Bundles the host before the tests of a file; ends what they leave, and what that has left, after each. */
export function useHostProcesses(): HostProcesses {
  let built: string;
  let dataDir: string;
  let isolation: SandboxHostOptions['isolation'];
  const started = new Set<HostProcess>();
  beforeAll(async () => {
    built = await bundleHost();
  }, 180_000);
  afterAll(() => rm(built, { recursive: true, force: true }));
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'host-data-'));
    isolation = undefined;
  });
  afterEach(async () => {
    for (const host of started) await host.kill();
    // What they have left runs on without a host.
    await (await createSandboxHost({ dataDir, ...(isolation && { isolation }) })).close();
    await rm(dataDir, { recursive: true, force: true });
  }, 180_000);
  return {
    get dataDir() {
      return dataDir;
    },
    async start(options, before = '', how = {}) {
      if (options.dataDir) isolation = options.isolation;
      const host = await startHost(built, options, { before, ...how });
      started.add(host);
      void host.ended.then(() => started.delete(host));
      return host;
    },
  };
}

/** Beside its dependencies, so that they are found. */
async function bundleHost(): Promise<string> {
  const built = await mkdtemp(join(packageDirectory, 'node_modules/.host-process-'));
  // For every user who is to run it.
  await chmod(built, 0o755);
  await build({
    loader: textLoader,
    entry: [join(packageDirectory, 'src/index.ts')],
    outDir: built,
    format: 'cjs',
    target: 'node20',
    config: false,
    silent: true,
  });
  return built;
}

async function startHost(
  built: string,
  options: SandboxHostOptions,
  { before, descriptors, ...user }: { before: string } & HostProcessOptions,
): Promise<HostProcess> {
  const script = `${before};
    require(${JSON.stringify(join(built, 'index.cjs'))})
      .createSandboxHost(${JSON.stringify(options)})
      .then(({ apiUrl, sandboxUrl, apiKey }) => console.log(JSON.stringify({ apiUrl, sandboxUrl, apiKey })));`;
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `;
  const child = spawn('sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...user,
  });
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
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/**
 * A script to run before a host, which ends it with SIGKILL at the `n`-th line that it writes about a sandbox: before it, in the middle of it, or
 * when it has been written.
 */
export const dieAt = (n: number, when: 'before' | 'half' | 'after'): string => `{
  const fs = require('node:fs');
  const write = fs.writeSync;
  let left = ${n};
  fs.writeSync = (file, data, ...rest) => {
    const text = String(data);
    const counts = text.includes('"keepsMemory"') || text.startsWith('{"delete"');
    if (!counts || --left !== 0) return write(file, data, ...rest);
    const [offset, length, position] = rest;
    if ('${when}' === 'half') write(file, data, offset, length >> 1, position);
    if ('${when}' === 'after') write(file, data, ...rest);
    process.kill(process.pid, 'SIGKILL');
  };
}`;
