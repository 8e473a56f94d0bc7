import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runIn, smallLimits } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { build } from 'esbuild';
import { afterEach, expect, test, vi } from 'vitest';
import { textLoader } from '../../../scripts/text-files.js';

const syscalls = '../src/supervisor/syscalls.js';

describeIsolated('the first process of a sandbox', { timeout: 90_000 }, () => {
  afterEach(() => {
    vi.doUnmock(syscalls);
    vi.resetModules();
  });

  test.each([
    ['is started into its control groups', undefined],
    ['moves into its control groups where the kernel starts nothing into one', 9_999],
  ])('%s', async (_how, clone3) => {
    if (clone3) {
      vi.doMock(syscalls, async (original) => {
        const module = await original<typeof import('../src/supervisor/syscalls.js')>();
        return { ...module, supervisorCalls: { ...module.supervisorCalls, clone3: [clone3, clone3] } };
      });
    }
    const { start } = await import('./start.js');
    const directory = await mkdtemp(join(tmpdir(), 'first-'));
    const engine = await start(directory);
    try {
      const id = `first${process.pid}`;
      const network = { internet: false, allowOut: [], denyOut: [] };
      const sandbox = await engine.start(id, engine.baseImage, { limits: smallLimits, network });
      try {
        const kept = (name: string): string => readFileSync(join(directory, 'sandboxes', id, name), 'utf8');
        const { pid } = JSON.parse(kept('supervisor.json')) as { pid: number };
        const { jobs } = JSON.parse(kept('control-groups.json')) as {
          jobs: Record<string, { directory: string }>;
        };
        const groups = [...new Set(Object.values(jobs).map((group) => group.directory))];
        expect(groups).not.toEqual([]);
        const members = groups.map((group) => readFileSync(join(group, 'cgroup.procs'), 'utf8'));
        expect(members).toEqual(groups.map(() => `${pid}\n`));
        // What it starts is where it is.
        expect(await runIn(sandbox, 'echo started')).toMatchObject({ output: 'started\n' });
      } finally {
        await sandbox.destroy();
      }
    } finally {
      await engine.close();
      await rm(directory, { recursive: true });
    }
  });

  test('waits for its sandbox no longer than its host lives', async () => {
    const { outputFiles } = await build({
      loader: textLoader,
      stdin: {
        contents: `import { InitProcesses } from './init-processes.js';
          const waiting = new InitProcesses(0);
          setInterval(() => waiting, 1000);`,
        resolveDir: fileURLToPath(new URL('../src/supervisor', import.meta.url)),
      },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
    });
    const host = spawn(process.execPath, ['--input-type=module', '-'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    host.stdin.end(outputFiles[0]?.text);
    const waiting = (): number[] =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((pid) => nameOf(pid) === 'sandpiper-init' && parentOf(pid) === host.pid);
    await expect.poll(waiting, { timeout: 30_000 }).toHaveLength(2);
    const pids = waiting();
    host.kill('SIGKILL');
    await once(host, 'exit');
    await expect
      .poll(() => pids.filter((pid) => existsSync(`/proc/${pid}`)), { timeout: 30_000 })
      .toEqual([]);
  });
});

function nameOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).split('\0')[0] ?? '';
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1]);
}

/** Nothing of a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
