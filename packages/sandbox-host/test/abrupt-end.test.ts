import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sandbox } from 'e2b';
import { build } from 'tsup';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));
let built: string;

beforeAll(async () => {
  // Beside the dependencies, so that they are found.
  built = await mkdtemp(join(packageDirectory, 'node_modules/.abrupt-end-'));
  await build({
    entry: [join(packageDirectory, 'src/index.ts')],
    outDir: built,
    format: 'cjs',
    target: 'node20',
    config: false,
    silent: true,
  });
});
afterAll(() => rm(built, { recursive: true, force: true }));

/** A host in a process of its own, which is killed without a chance to tidy up. */
async function startHostProcess(isolation: string) {
  const script = `require(${JSON.stringify(join(built, 'index.cjs'))})
    .createSandboxHost({ isolation: ${JSON.stringify(isolation)} })
    .then(({ apiUrl, sandboxUrl, apiKey }) => console.log(JSON.stringify({ apiUrl, sandboxUrl, apiKey })));`;
  const child: ChildProcess = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return {
    child,
    connection: JSON.parse(line.toString()) as { apiUrl: string; sandboxUrl: string; apiKey: string },
  };
}

/** Numbers of processes with this text in their command line. */
function processesWith(text: string): number[] {
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

describe.skipIf(process.platform !== 'linux')('a host that is killed with SIGKILL', () => {
  test.each(['namespaces', 'none'])(
    'leaves nothing running and nothing that the next host does not remove (isolation: %s)',
    async (isolation) => {
      if (isolation === 'namespaces' && process.getuid?.() !== 0) return;
      const mark = `98765${isolation === 'none' ? 1 : 2}`;
      const { child, connection } = await startHostProcess(isolation);
      const [running, paused] = await Promise.all([
        Sandbox.create('base', connection),
        Sandbox.create('base', connection),
      ]);
      for (const sandbox of [running, paused]) {
        await sandbox.commands.run(`sleep ${mark} & sleep ${mark}`, { background: true, timeoutMs: 0 });
      }
      await paused.pause();
      await expect
        .poll(() => processesWith(`sleep ${mark}`).length, { timeout: 10_000 })
        .toBeGreaterThanOrEqual(4);
      const directories = readdirSync('/tmp').filter((name) =>
        name.startsWith(`sandpiper-host-${child.pid}-`),
      );
      expect(directories).toHaveLength(1);
      child.kill('SIGKILL');
      await once(child, 'exit');
      if (isolation === 'namespaces') {
        await expect.poll(() => processesWith(`sleep ${mark}`), { timeout: 15_000 }).toEqual([]);
      }
      const next = await createSandboxHost({ isolation: isolation as 'namespaces' | 'none' });
      await next.close();
      expect(processesWith(`sleep ${mark}`)).toEqual([]);
      expect(existsSync(`/tmp/${directories[0]}`)).toBe(false);
    },
  );
});
