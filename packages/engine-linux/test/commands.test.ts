import { readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Command, EngineProcess, EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { runIn, startBash, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { beforeAll, expect, test } from 'vitest';
import { start } from './start.js';

describeIsolated('commands that the first process of a sandbox starts', { timeout: 90_000 }, () => {
  const fixture = useEngine(start);
  let sandbox: EngineSandbox;
  beforeAll(async () => {
    sandbox = await fixture.start({ cpuCount: 2, memoryMB: 512, pids: 256 });
  });

  const bash = (script: string, command: Partial<Command> = {}): Promise<EngineProcess> =>
    startBash(sandbox, script, command);

  test('cannot start in a directory of another user', async () => {
    await expect(bash('', { cwd: '/root' })).rejects.toThrow('/root does not exist');
  });

  test('have four descriptors, no signal blocked or ignored, and names for their output', async () => {
    expect(await runIn(sandbox, 'ls /proc/self/fd | xargs')).toMatchObject({ output: '0 1 2 3\n' });
    const signals = "grep -E 'SigBlk|SigIgn' /proc/self/status | grep -c 0000000000000000";
    expect((await runIn(sandbox, signals)).output).toBe('2\n');
    expect(await runIn(sandbox, 'echo there > /dev/stdout; echo also > /dev/stderr')).toMatchObject({
      output: 'there\nalso\n',
    });
  });

  test('are said to be missing as their programs would say it', async () => {
    const missing = await bash('', { cmd: 'no-such-program' });
    missing.stdout.resume();
    expect(await text(missing.stderr)).toBe('no-such-program: No such file or directory\n');
  });

  test('get environment variables that no shell could name', async () => {
    const env = await bash('', { cmd: '/usr/bin/env', args: [], env: { 'odd-name': ' é' } });
    const [stdout] = await Promise.all([text(env.stdout), text(env.stderr)]);
    expect(stdout).toContain('odd-name= é\n');
  });

  test('leave no zombie, not even orphans', async () => {
    // This one outlives its parent.
    await runIn(sandbox, '(setsid sleep 0.1 > /dev/null 2>&1 &)');
    const zombies = async (): Promise<string> =>
      (await runIn(sandbox, 'grep -sl "^State:.Z" /proc/[0-9]*/status | wc -l')).output;
    await expect.poll(zombies, { timeout: 20_000 }).toBe('0\n');
  });

  test('leave no descriptor open, neither here nor in the supervisor', async () => {
    // It and its parent, which only waits for it, have the same name.
    const named = readdirSync('/proc').filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1').startsWith(
          `sandpiper-init test${process.pid}x`,
        );
      } catch {
        return false;
      }
    });
    const parentOf = (pid: string): string | undefined =>
      /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const pid = named.find((one) => named.includes(parentOf(one) ?? ''));
    const open = (): number[] => [pid, 'self'].map((one) => readdirSync(`/proc/${one}/fd`).length);
    await runIn(sandbox, 'true');
    const before = open();
    const commands = 20;
    for (let i = 0; i < commands; i++) {
      const child = await bash('cat', { stdin: true });
      child.stdin?.end('some');
      await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
      await bash('', { cwd: '/nowhere' }).catch(() => {});
    }
    // Meanwhile a process may have been made that waits for the next sandbox: a few descriptors, not one a command.
    const grown = (): boolean => open().some((count, index) => count >= (before[index] ?? 0) + commands);
    await expect.poll(grown, { timeout: 10_000 }).toBe(false);
  });
});
