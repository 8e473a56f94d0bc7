import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, EngineProcess, EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { runIn, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../src/host/open-engine.js';

describeIsolated('commands in a sandbox', { timeout: 90_000 }, () => {
  const fixture = useEngine((directory) => openEngine({ logger: console, directory }));
  let sandbox: EngineSandbox;
  beforeAll(async () => {
    sandbox = await fixture.start({ cpuCount: 2, memoryMB: 512, pids: 256 });
  });

  const bash = (script: string, command: Partial<Command> = {}): Promise<EngineProcess> =>
    sandbox.exec({
      cmd: '/bin/bash',
      args: ['-c', script],
      env: { PATH: '/usr/bin:/bin' },
      cwd: '/home/user',
      user: 'user',
      stdin: false,
      ...command,
    });

  test('run fifty at once, silent ones too, and none holds up another or the host', async () => {
    const silent = await Promise.all(
      Array.from({ length: 50 }, (_, code) => bash(`read line; exit ${code}`, { stdin: true })),
    );
    for (const { stdout, stderr } of silent) {
      stdout.resume();
      stderr.resume();
    }
    // All wait; the host's thread pool must still serve files, and one more command.
    await sandbox.files.makeDirectory('/tmp/made', 'user');
    expect(await runIn(sandbox, 'echo another')).toMatchObject({ output: 'another\n', code: 0 });
    for (const { stdin } of silent) stdin?.end('go\n');
    const statuses = await Promise.all(silent.map(({ ended }) => ended));
    expect(statuses.map(({ code }) => code)).toEqual(silent.map((_, code) => code));
  });

  test('end as they did: with their code, or by their signal', async () => {
    for (const code of [0, 1, 126, 127, 255])
      expect(await runIn(sandbox, `exit ${code}`)).toMatchObject({ code });
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGUSR1', 'SIGPIPE']) {
      const status = await runIn(sandbox, `kill -s ${signal.slice(3)} $$`);
      expect(status, signal).toMatchObject({ code: undefined, signal });
    }
    const missing = await bash('', { cmd: 'no-such-program' });
    missing.stdout.resume();
    expect(await text(missing.stderr)).toBe('no-such-program: No such file or directory\n');
    expect(await missing.ended).toEqual({ code: 127, signal: undefined });
    const forbidden = await bash('', { cmd: '/etc/passwd' });
    forbidden.stdout.resume();
    expect(await text(forbidden.stderr)).toContain('Permission denied');
    expect(await forbidden.ended).toMatchObject({ code: 126 });
  });

  test('are refused when they cannot be what they are to be', async () => {
    await expect(bash('', { cwd: '/nowhere' })).rejects.toThrow('/nowhere does not exist');
    await expect(bash('', { cwd: '/root' })).rejects.toThrow('/root does not exist');
    for (const name of ['', 'A=B', 'A\0']) {
      await expect(bash('', { env: { [name]: 'value' } })).rejects.toThrow('cannot be the name');
    }
    await expect(bash('a\0b')).rejects.toThrow('NUL');
  });

  test('get exactly their arguments, environment, directory and descriptors', async () => {
    const awkward = ['', ' ', '\n', '"\'\\', '$HOME', '-n', 'é漢'];
    const child = await bash('', {
      cmd: '/usr/bin/env',
      args: ['-u', 'NOTHING', 'printf', '[%s]', ...awkward],
    });
    child.stderr.resume();
    expect(await text(child.stdout)).toBe(awkward.map((word) => `[${word}]`).join(''));
    const names = { A: 'new\nline', 'odd-name': ' é', LD_PRELOAD: '/nowhere.so', PATH: '/usr/bin:/bin' };
    const env = await bash('', { cmd: '/usr/bin/env', args: ['-0'], env: names });
    const [stdout] = await Promise.all([text(env.stdout), text(env.stderr)]);
    const seen = Object.fromEntries(
      stdout
        .split('\0')
        .filter(Boolean)
        .map((line) => line.split(/=(.*)/s)),
    );
    for (const [name, value] of Object.entries(names)) expect(seen[name]).toBe(value);
    expect(await runIn(sandbox, 'ls /proc/self/fd | xargs')).toMatchObject({ output: '0 1 2 3\n' });
    // No signal is blocked or ignored, as it would be in a shell of one's own.
    const signals = await runIn(
      sandbox,
      "grep -E 'SigBlk|SigIgn' /proc/self/status | grep -c 0000000000000000",
    );
    expect(signals.output).toBe('2\n');
    expect(await runIn(sandbox, 'echo there > /dev/stdout; echo also > /dev/stderr')).toMatchObject({
      output: 'there\nalso\n',
    });
  });

  test('read all their input and see its end', async () => {
    const child = await bash('sha256sum', { stdin: true });
    child.stderr.resume();
    const hash = createHash('sha256');
    const part = Buffer.alloc(1_000_003, 'input');
    for (let i = 0; i < 20; i++) {
      hash.update(part);
      if (!child.stdin?.write(part)) await new Promise((resolve) => child.stdin?.once('drain', resolve));
    }
    child.stdin?.end();
    expect(await text(child.stdout)).toBe(`${hash.digest('hex')}  -\n`);
    const deaf = await bash('exit 5', { stdin: true });
    deaf.stdout.resume();
    deaf.stderr.resume();
    deaf.stdin?.write(part);
    expect(await deaf.ended).toEqual({ code: 5, signal: undefined });
  });

  test('have their output delivered to the byte, a hundred megabytes of it', async () => {
    const megabytes = 100;
    const child = await bash(`seq 1 20000000 | head -c ${megabytes * 2 ** 20} | tee >(sha256sum >&2)`);
    const hash = createHash('sha256');
    let length = 0;
    child.stdout.on('data', (data: Buffer) => {
      hash.update(data);
      length += data.length;
    });
    const said = await text(child.stderr);
    expect(await child.ended).toEqual({ code: 0, signal: undefined });
    expect(length).toBe(megabytes * 2 ** 20);
    expect(said).toBe(`${hash.digest('hex')}  -\n`);
  });

  test('are slowed down by whoever reads slowly', async () => {
    const child = await bash(
      'for i in $(seq 1 400); do head -c 10000 /dev/zero; echo $i > /tmp/progress; done',
    );
    child.stderr.resume();
    const progress = async (): Promise<number> => Number((await runIn(sandbox, 'cat /tmp/progress')).output);
    await expect.poll(progress, { timeout: 20_000 }).toBeGreaterThan(0);
    // What lies between is a pipe and a stream's buffer; the rest of the four megabytes waits.
    await expect
      .poll(
        async () => {
          const before = await progress();
          await sleep(300);
          return (await progress()) - before;
        },
        { timeout: 20_000 },
      )
      .toBe(0);
    expect(await progress()).toBeLessThan(100);
    expect((await text(child.stdout)).length).toBe(4_000_000);
    expect(await child.ended).toEqual({ code: 0, signal: undefined });
  });

  test('are killed with all that is in their group, and leave no zombie', async () => {
    const child = await bash('sleep 98761 & sleep 98761 & (sleep 98761 & exit) ; wait');
    child.stdout.resume();
    child.stderr.resume();
    const sleepers = async (): Promise<number> =>
      Number((await runIn(sandbox, 'grep -slz "^98761$" /proc/[0-9]*/cmdline | wc -l')).output);
    await expect.poll(sleepers, { timeout: 20_000 }).toBe(3);
    await child.kill('SIGKILL');
    expect(await child.ended).toEqual({ code: undefined, signal: 'SIGKILL' });
    await expect.poll(sleepers, { timeout: 20_000 }).toBe(0);
    // Orphans are seen off, too: this one outlives its parent.
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
    for (let i = 0; i < 20; i++) {
      const child = await bash('cat', { stdin: true });
      child.stdin?.end('some');
      await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
      await bash('', { cwd: '/nowhere' }).catch(() => {});
    }
    // What the first command had may still have been open then.
    const grown = (): boolean => open().some((count, index) => count > (before[index] ?? 0));
    await expect.poll(grown, { timeout: 10_000 }).toBe(false);
  });
});
