import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { EngineProcess, EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { runIn, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { isolationObstacle, unless } from '@sandpiper/sandbox-engine/testing/machine';
import { beforeAll, describe, expect, test } from 'vitest';
import { findSandboxIds } from '../src/user-ids.js';
import { start } from './start.js';

const found = isolationObstacle === undefined ? await findSandboxIds() : undefined;
const obstacle = found ? found.obstacle : isolationObstacle;
const { base = 0, user: userId = 0 } = found?.ids ?? {};

describe.skipIf(obstacle)(`the users of a sandbox${unless(obstacle)}`, { timeout: 90_000 }, () => {
  const fixture = useEngine(start);
  const limits = { cpuCount: 1, memoryMB: 256, pids: 256 };
  let sandbox: EngineSandbox;
  let other: EngineSandbox;
  beforeAll(async () => {
    [sandbox, other] = await Promise.all([fixture.start(limits), fixture.start(limits)]);
  });
  const output = async (script: string, user: 'user' | 'root', where = sandbox): Promise<string> =>
    (await runIn(where, script, user)).output.trim();
  /** Runs what says `ready` and then waits to be killed. */
  const hold = async (where: EngineSandbox, perl: string): Promise<EngineProcess> => {
    const child = await where.exec({
      cmd: '/usr/bin/perl',
      args: ['-e', `$| = 1; ${perl}; print "ready"; sleep 600`],
      env: {},
      cwd: '/',
      user: 'user',
      stdin: false,
    });
    child.stderr.resume();
    const said = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
    expect(said).toBe('ready');
    return child;
  };

  test('have the numbers that programs expect', async () => {
    expect(await output('id -u; id -un; id -G; stat -c "%U %u" ~ /root', 'user')).toBe(
      `${userId}\nuser\n${userId}\nuser ${userId}\nroot 0`,
    );
    expect(await output('id -u; id -un; id -G; stat -c %U:%G / /etc/passwd /dev/shm', 'root')).toBe(
      '0\nroot\n0\nroot:root\nroot:root\nroot:root',
    );
  });

  test('are nobody on the host, root least of all', async () => {
    const mark = `users-${process.pid}`;
    for (const [user, id] of [
      ['root', 0],
      ['user', userId],
    ] as const) {
      expect((await output('cat /proc/self/uid_map /proc/self/gid_map', user)).split(/\s+/)).toEqual(
        ['0', base, '65536', '0', base, '65536'].map(String),
      );
      const child = await sandbox.exec({
        cmd: '/bin/bash',
        args: ['-c', `touch /tmp/${mark}-${user}; exec -a ${mark}-${user} sleep 600`],
        env: { PATH: '/usr/bin:/bin' },
        cwd: '/',
        user,
        stdin: false,
      });
      const pid = (): string | undefined =>
        readdirSync('/proc').find((one) => commandLine(one).startsWith(`${mark}-${user}\0`));
      await expect.poll(pid, { timeout: 20_000 }).toBeDefined();
      expect(/^Uid:.*$/m.exec(readFileSync(`/proc/${pid()}/status`, 'utf8'))?.[0]).toBe(
        `Uid:${`\t${base + id}`.repeat(4)}`,
      );
      const { uid, gid } = statSync(`/proc/${pid()}/root/tmp/${mark}-${user}`);
      expect([uid, gid]).toEqual([base + id, base + id]);
      await child.kill('SIGKILL');
      await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
    }
  });

  test('have no part in what belongs to the machine, though it is there: root neither reads nor changes it', async () => {
    const home = mkdtempSync(join(tmpdir(), 'users-'));
    mkdirSync(join(home, 'bin'));
    const npm = join(home, 'lib/node_modules/npm');
    mkdirSync(npm, { recursive: true });
    const { execPath } = process;
    cpSync(execPath, join(home, 'bin/node'));
    writeFileSync(join(npm, 'open'), 'for everybody');
    writeFileSync(join(npm, 'closed'), 'for root of the machine');
    chmodSync(join(npm, 'closed'), 0o600);
    process.execPath = join(home, 'bin/node');
    try {
      const bound = await fixture.start(limits);
      const directory = '/opt/node/lib/node_modules/npm';
      expect(await output(`cat ${directory}/open; stat -c %U ${directory}/closed`, 'root', bound)).toBe(
        'for everybodynobody',
      );
      expect((await runIn(bound, `cat ${directory}/closed`, 'root')).code).toBe(1);
      for (const change of ['chown root', 'chmod 644', 'rm -f']) {
        expect((await runIn(bound, `${change} ${directory}/closed`, 'root')).code, change).toBe(1);
      }
      expect((await runIn(bound, 'chown root /dev/null || chown user /dev/pts/ptmx', 'root')).code).toBe(1);
    } finally {
      process.execPath = execPath;
      rmSync(home, { recursive: true });
    }
  });

  test('are told by name in the files API, those that are not theirs as nobody', async () => {
    await output('touch /tmp/theirs && chown 33:33 /tmp/theirs', 'root');
    const owners = await Promise.all(
      ['/home/user', '/etc/passwd', '/tmp/theirs', '/usr/bin/env'].map(
        async (path) => (await sandbox.files.stat(path)).owner,
      ),
    );
    expect(owners).toEqual(['user', 'root', '33', 'nobody']);
  });

  test('are counted in each sandbox by itself: processes', async ({ skip }) => {
    const [, major = 0, minor = 0] =
      /^(\d+)\.(\d+)/.exec(readFileSync('/proc/sys/kernel/osrelease', 'utf8'))?.map(Number) ?? [];
    skip(
      major < 5 || (major === 5 && minor < 14),
      'kernels before 5.14 count by user, whatever the namespace',
    );
    const many = await hold(other, 'for (1 .. 60) { fork or sleep 600 }');
    const fork = (where: EngineSandbox): Promise<string> =>
      output(
        `ulimit -u 30; exec perl -e 'my @made; for (1 .. 5) { my $pid = fork; if (!defined $pid) { print "$!"; last }
          if (!$pid) { sleep 600; exit } push @made, $pid } kill "KILL", @made'`,
        'user',
        where,
      );
    expect(await fork(sandbox)).toBe('');
    // Where there are too many, it does make a difference.
    expect(await fork(other)).toMatch(/Resource temporarily unavailable/);
    await many.kill('SIGKILL');
  });

  test('are counted in each sandbox by itself: what watches files', async () => {
    const number = process.arch === 'arm64' ? 26 : 294;
    // By default a user may have 128.
    const watch = `for (1 .. 100) { syscall(${number}, 0) > 0 or die "$!\\n" }`;
    const held = await Promise.all([hold(sandbox, watch), hold(other, watch)]);
    for (const one of held) await one.kill('SIGKILL');
  });

  test('may listen on the ports that others need privileges for', async ({ skip }) => {
    const { level, reason } = fixture.engine.capabilities.network;
    skip(level !== 'enforced', reason);
    const listen =
      'use Socket; socket(my $s, AF_INET, SOCK_STREAM, 0); bind($s, pack_sockaddr_in(80, INADDR_ANY)) or die; listen $s, 1';
    const server = await hold(sandbox, listen);
    const connect = `exec 3<>/dev/tcp/127.0.0.1/80 && echo connected`;
    expect(await output(connect, 'user')).toBe('connected');
    await server.kill('SIGKILL');
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
