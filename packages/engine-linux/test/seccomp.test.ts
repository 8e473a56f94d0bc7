import type { EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { runIn, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { beforeAll, expect, test } from 'vitest';
import { refusedCalls } from '../src/supervisor/seccomp-filter.js';
import { machines } from '../src/supervisor/syscalls.js';
import { start } from './start.js';

describeIsolated('the first process of a sandbox', { timeout: 90_000 }, () => {
  const fixture = useEngine(start);
  let sandbox: EngineSandbox;
  beforeAll(async () => {
    sandbox = await fixture.start({ cpuCount: 2, memoryMB: 1024, pids: 256 });
  });
  /** What a system call comes back with: the number of its error, or 0. */
  const call = async (script: string, user: 'user' | 'root'): Promise<string> =>
    (await runIn(sandbox, `perl -e '${script}'`, user)).output;

  test.each(['user', 'root'] as const)('keeps %s from system calls that no program needs', async (user) => {
    const column = machines[process.arch]?.column ?? 0;
    const numbers = Object.values(refusedCalls).flatMap((both) => both[column] ?? []);
    const script = `for (${numbers.join(', ')}) { $! = 0; syscall($_, 0, 0, 0, 0, 0); print "$_ " if $! != 1 }`;
    expect(await call(script, user)).toBe('');
    // A child that shares nothing but is in a new namespace of each kind; SIGCHLD tells of its end.
    const clone = [56, 220][column];
    for (const flag of [
      0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
    ]) {
      const made = `$r = syscall(${clone}, ${flag} | 17, 0, 0, 0, 0); exit if $r == 0; print $! + 0`;
      expect(await call(made, user), flag.toString(16)).toBe('1');
    }
    expect(await call('syscall(435, 0, 0); print $! + 0', user)).toBe('38');
    for (const tool of [
      'unshare -U true',
      'unshare -m true',
      'mount -t tmpfs tmpfs /mnt',
      'umount /proc',
      'chroot / true',
    ]) {
      expect((await runIn(sandbox, tool, user)).code, tool).not.toBe(0);
    }
  });

  test('ends programs that call the kernel as another machine would', async ({ skip }) => {
    skip(process.arch !== 'x64', 'needs x64');
    // int 0x80 with getpid's number of the 32-bit table, as machine code.
    const code =
      'use strict; my $c = "\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3"; my $p = syscall(9, 0, 4096, 7, 34, -1, 0); open my $m, "+<", "/proc/self/mem"; sysseek $m, $p, 0; syswrite $m, $c; require DynaLoader; DynaLoader::dl_install_xsub("main::go", $p); go(); print "alive"';
    const { output, signal } = await runIn(sandbox, `exec perl -e '${code}'`);
    expect({ output, signal }).toEqual({ output: '', signal: 'SIGSYS' });
  });

  test.each(['user', 'root'] as const)('cannot be traced, read, stopped or ended by %s', async (user) => {
    const attempts = [
      'readlink /proc/1/fd/0',
      'head -c 0 /proc/1/fd/3',
      'ls /proc/1/root/ | grep .',
      'ls /proc/1/cwd/ | grep .',
      'head -c 1 /proc/1/mem',
      'cat /proc/1/environ | grep -z .',
      // PTRACE_ATTACH, PTRACE_SEIZE
      `perl -e 'exit(syscall(${process.arch === 'x64' ? 101 : 117}, 16, 1, 0, 0) == -1)'`,
      `perl -e 'exit(syscall(${process.arch === 'x64' ? 101 : 117}, 0x4206, 1, 0, 0) == -1)'`,
    ];
    for (const attempt of attempts) expect((await runIn(sandbox, attempt, user)).code, attempt).not.toBe(0);
    await runIn(sandbox, 'kill -9 1; kill -STOP 1; kill -TERM 1; kill -PIPE 1; kill -CHLD 1', user);
    expect(await runIn(sandbox, 'echo lives')).toMatchObject({ output: 'lives\n' });
    // Its socket lies outside, and programs see nothing of the host's paths to it.
    expect((await runIn(sandbox, 'find / -xdev -name control -type s 2>/dev/null', user)).output).toBe('');
    expect((await runIn(sandbox, 'tr "\\0" " " < /proc/1/cmdline', user)).output.trim()).toMatch(
      /^sandpiper-init test\w+$/,
    );
  });

  test('gives root what package managers need, and nobody a way to more', async () => {
    const capabilities = (user: 'user' | 'root') =>
      runIn(sandbox, "awk '/^Cap/ { print $2 }' /proc/self/status | xargs", user);
    const none = '0000000000000000';
    const few = '00000000000000fb';
    expect((await capabilities('user')).output).toBe(`${none} ${none} ${none} ${none} ${none}\n`);
    expect((await capabilities('root')).output).toBe(`${none} ${few} ${few} ${few} ${none}\n`);
    for (const user of ['user', 'root'] as const) {
      const status = (await runIn(sandbox, 'grep -E "NoNewPrivs|Seccomp:" /proc/self/status', user)).output;
      expect(status).toBe('NoNewPrivs:\t1\nSeccomp:\t2\n');
    }
    expect(
      (await runIn(sandbox, 'touch /tmp/file && chown user /tmp/file && stat -c %U /tmp/file', 'root'))
        .output,
    ).toBe('user\n');
  });

  test.for([
    [
      '/opt/node/bin/node',
      `/opt/node/bin/node -e "
        const { Worker } = require('worker_threads');
        require('child_process').execFileSync('true');
        require('fs').promises.readFile('/etc/passwd').then(() => new Worker('process.exit(0)', { eval: true }).on('exit', () => console.log('works')))"`,
    ],
    [
      'python3',
      `python3 -c "
import subprocess, threading
subprocess.run(['true'], check=True)
thread = threading.Thread(target=print, args=('works',)); thread.start(); thread.join()"`,
    ],
    [
      'git',
      'cd /tmp && git init -q repo && cd repo && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m works && git log --format=%s',
    ],
    [
      'gcc',
      'cd /tmp && printf \'#include <stdio.h>\\nint main(void) { puts("works"); }\' > a.c && gcc a.c -o a && ./a',
    ],
  ] as const)('lets %s work', async ([program, script], { skip }) => {
    const has = await runIn(sandbox, `command -v ${program}`);
    skip(has.code !== 0, `sandboxes of this machine have no ${program}`);
    expect(await runIn(sandbox, `export HOME=/tmp; ${script}`)).toMatchObject({ output: 'works\n', code: 0 });
  });
});
