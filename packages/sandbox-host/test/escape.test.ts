import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runIn, smallLimits, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { CommandExitError, type Sandbox } from 'e2b';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openEngine } from '../src/host/open-engine.js';
import { describeHosts } from './with-host.js';

// They wait for what a busy machine does.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const users = ['user', 'root'] as const;

/** By architecture: what x64 and arm64 call it. */
const systemCalls = {
  add_key: [248, 217],
  bpf: [321, 280],
  // Let through: the script finds what there is to find.
  getpid: [39, 172],
  init_module: [175, 105],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  mount: [165, 40],
  open_by_handle_at: [304, 265],
  perf_event_open: [298, 241],
  pivot_root: [155, 41],
  ptrace: [101, 117],
  reboot: [169, 142],
  setns: [308, 268],
  settimeofday: [164, 170],
  swapon: [167, 224],
  unshare: [272, 97],
  userfaultfd: [323, 282],
} as const;

/** Makes every call with arguments that do no harm, and says those that were let through to the kernel's own checks. */
const callEach = Object.entries(systemCalls)
  .map(([name, [x64, arm64]]) => {
    const number = process.arch === 'arm64' ? arm64 : x64;
    // To unshare nothing is always allowed: ask for a namespace. PTRACE_ATTACH (16) to process 1.
    const args = { unshare: '0x10000000, 0, 0, 0', ptrace: '16, 1, 0, 0' }[name] ?? '-1, 0, 0, 0';
    // EPERM, EACCES, ENOSYS: refused before anything was looked at.
    return `print "${name}\\n" unless syscall(${number}, ${args}) == -1 && ($! == 1 || $! == 13 || $! == 38);`;
  })
  .join(' ');

/** Runs a script to its end, however that is. */
async function attempt(sandbox: Sandbox, script: string, user: 'user' | 'root' = 'user') {
  try {
    return await sandbox.commands.run(script, { user, timeoutMs: 30_000 });
  } catch (error) {
    if (error instanceof CommandExitError) return error;
    throw error;
  }
}

describeHosts('a program that wants out of its sandbox', (fixture) => {
  if (fixture.isolation === 'none') {
    test('is told from one that is held: the host claims no walls', () => {
      const { isolation, limits } = fixture.host.capabilities;
      expect([isolation.level, limits.level]).toEqual(['absent', 'absent']);
    });
    return;
  }

  let sandbox: Sandbox;
  let other: Sandbox;
  let outside: string;
  let secret: string;
  beforeAll(async () => {
    outside = mkdtempSync(join(tmpdir(), 'outside-'));
    secret = join(outside, 'secret');
    writeFileSync(secret, 'secret of the host');
    [sandbox, other] = await Promise.all([fixture.create(), fixture.create()]);
  });
  afterAll(async () => {
    await Promise.all([sandbox?.kill(), other?.kill()]);
    rmSync(outside, { recursive: true, force: true });
  });

  test.each(users)('reads no file of the host, by whatever path (%s)', async (user) => {
    await sandbox.files.write('/tmp/mine', 'mine');
    for (const path of [
      secret,
      `/proc/1/root${secret}`,
      `/proc/self/root/..${secret}`,
      `/proc/1/cwd${secret}`,
      `/..${secret}`,
    ]) {
      const { stdout, exitCode } = await attempt(sandbox, `cat '${path}'`, user);
      expect([stdout, exitCode], path).toEqual(['', 1]);
    }
    const { stdout } = await attempt(sandbox, `ls -A /.host /sys /boot /work 2>/dev/null`, user);
    expect(stdout.replaceAll(/^\/sys:|\s/gm, '')).toBe('');
  });

  test.each(users)('finds no system call that leads out (%s)', async (user) => {
    const { stdout, exitCode } = await attempt(sandbox, `perl -e '${callEach}'`, user);
    expect([stdout, exitCode]).toEqual(['getpid\n', 0]);
  });

  test.each(users)('changes nothing of the machine (%s)', async (user) => {
    const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    const attempts: Record<string, string> = {
      'the core pattern': "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
      'the magic keys': 'echo h > /proc/sysrq-trigger',
      'kernel settings': 'sysctl -w vm.swappiness=59 || echo 59 > /proc/sys/vm/swappiness',
      'its place in the queue of the OOM killer': 'echo -1000 > /proc/self/oom_score_adj',
      'the system directories': 'touch /usr/planted',
      'Node.js itself': 'echo x >> /opt/node/bin/node',
      mounts: 'mount -t proc proc /mnt || mount --bind / /mnt || mount -o remount,rw /usr',
      'the devices of the host':
        'for one in /dev/null /dev/tty /proc/kcore; do chmod 666 $one && exit; done; false',
      'control groups': 'mkdir /tmp/g; mount -t cgroup -o memory cgroup /tmp/g || mount -t cgroup2 x /tmp/g',
      'control groups there are': 'grep -E "^[^ ]+ [^ ]+ cgroup" /proc/mounts',
      devices: 'mknod /tmp/disk b 8 0 || mknod /tmp/memory c 1 1',
      'block devices there are': 'find /dev -type b | grep .',
      namespaces: 'unshare -Ur true || unshare -m true || nsenter -t 1 -m true',
      'the clock': 'date -s 2001-01-01',
      'the host name': 'hostname changed',
    };
    for (const [what, script] of Object.entries(attempts)) {
      expect((await attempt(sandbox, script, user)).exitCode, what).not.toBe(0);
    }
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before);
  });

  test('gains nothing from a set-user-id program, not even one that its root has made', async () => {
    await attempt(
      sandbox,
      'cp /usr/bin/id /tmp/as-root && chown root /tmp/as-root && chmod 4755 /tmp/as-root',
      'root',
    );
    expect((await attempt(sandbox, '/tmp/as-root -u')).stdout.trim()).not.toBe('0');
    expect((await attempt(sandbox, 'su -c true || sudo -n true')).exitCode).not.toBe(0);
  });

  test.each(users)('looks into no secret of the first process, and cannot end it (%s)', async (user) => {
    for (const path of ['/proc/1/environ', '/proc/1/mem', '/proc/1/maps', '/proc/1/auxv']) {
      const { stdout } = await attempt(sandbox, `head -c 100 ${path}`, user);
      expect(stdout, path).toBe('');
    }
    await attempt(sandbox, 'for s in TERM INT HUP QUIT STOP KILL SEGV; do kill -$s 1; done', user);
    expect((await attempt(sandbox, 'echo alive')).stdout).toBe('alive\n');
  });

  test.each(users)('ends all its own processes at most, and the sandbox goes on (%s)', async (user) => {
    const kept = await other.commands.run('sleep 600', { background: true, timeoutMs: 0 });
    await attempt(sandbox, 'kill -KILL -1', user);
    expect((await other.commands.list()).map(({ pid }) => pid)).toContain(kept.pid);
    await kept.kill();
    expect((await attempt(sandbox, 'echo alive')).stdout).toBe('alive\n');
  });

  test('sees neither files nor processes of another sandbox', async () => {
    await other.files.write('/tmp/theirs', 'theirs');
    const theirs = await other.commands.run('exec -a theirs-31337 sleep 600', {
      background: true,
      timeoutMs: 0,
    });
    const { stdout } = await attempt(sandbox, 'cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls -R /tmp', 'root');
    expect(stdout).not.toMatch(/theirs/);
    await theirs.kill();
  });

  test('plants nothing outside through links in what is uploaded', async () => {
    const up = '../'.repeat(20);
    await attempt(
      sandbox,
      `cd && ln -s ${outside} a; ln -s ${up}${outside.slice(1)} b; ln -s /proc/1/root/ c`,
    );
    for (const path of ['a/planted', 'b/planted', `c${outside}/planted`, `/proc/1/root${outside}/planted`]) {
      await sandbox.files.write(path, 'planted').catch(() => {});
    }
    await sandbox.files.rename('a', 'moved').catch(() => {});
    await sandbox.files.remove('b').catch(() => {});
    expect(readFileSync(secret, 'utf8')).toBe('secret of the host');
    expect(() => readFileSync(join(outside, 'planted'))).toThrow(/ENOENT/);
  });

  describe('over the network', () => {
    let server: Server;
    let port: number;
    let reached = 0;
    beforeAll(async () => {
      server = createServer((socket) => {
        reached += 1;
        // Who tries it may be gone before it has read.
        socket.on('error', () => {}).end('host');
      });
      await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
      port = (server.address() as { port: number }).port;
    });
    afterAll(() => server.close());
    const connects = (host: string, to: number): string =>
      `timeout 3 bash -c 'exec 3<>/dev/tcp/${host}/${to}' 2>/dev/null && echo connected`;
    const enforced = (): boolean => fixture.host.capabilities.network.level === 'enforced';

    test.for(users)(
      'reaches no service of the host, nor of the cloud it runs in (%s)',
      async (user, { skip }) => {
        const own = Object.values(networkInterfaces())
          .flatMap((addresses) => addresses ?? [])
          .filter(({ family }) => family === 'IPv4')
          .map(({ address }) => address);
        const targets = ['127.0.0.1', ...own.slice(0, 6)].map((host) => connects(host, port));
        const { stdout } = await attempt(
          sandbox,
          [...targets, connects('169.254.169.254', 80), 'true'].join('; '),
          user,
        );
        // Where it shares the host's network it may try, and nothing is promised.
        skip(!enforced(), fixture.host.capabilities.network.reason);
        expect(stdout).toBe('');
        expect(reached).toBe(0);
      },
    );

    test('does not meet the ports, nor the sockets without a file, of another sandbox or the host', async ({
      skip,
    }) => {
      skip(!enforced(), fixture.host.capabilities.network.reason);
      const script = `use Socket; $| = 1; my ($tcp, $unix);
socket($tcp, AF_INET, SOCK_STREAM, 0) && bind($tcp, pack_sockaddr_in(34567, INADDR_ANY)) && listen($tcp, 5) or die $!;
socket($unix, AF_UNIX, SOCK_STREAM, 0) && bind($unix, pack_sockaddr_un("\\0sandpiper-escape")) && listen($unix, 5) or die $!;
print "up\\n"; sleep 600`;
      await other.files.write('/tmp/listen.pl', script);
      let output = '';
      const listening = await other.commands.run('perl /tmp/listen.pl', {
        background: true,
        timeoutMs: 0,
        onStdout: (data) => {
          output += data;
        },
      });
      await expect.poll(() => output, { timeout: 15_000 }).toBe('up\n');
      const { stdout } = await attempt(
        sandbox,
        `${connects('127.0.0.1', 34567)}; perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0);
          print "connected" if connect($s, pack_sockaddr_un("\\0sandpiper-escape"))'; true`,
      );
      await listening.kill();
      expect(stdout).toBe('');
    });
  });
});

describeIsolated('a program that wants all of the machine', () => {
  const fixture = useEngine((directory) => openEngine({ logger: console, directory }));

  test('has its fork bomb stopped, and its neighbours do not notice', async () => {
    const [bomber, neighbour] = await Promise.all([fixture.start(), fixture.start()]);
    const bomb = runIn(bomber, 'bomb() { bomb | bomb & }; bomb; sleep 2');
    await expect.poll(async () => (await bomber.stats()).processes, { timeout: 15_000 }).toBeGreaterThan(20);
    for (let round = 0; round < 5; round++) {
      expect((await bomber.stats()).processes).toBeLessThanOrEqual(smallLimits.pids ?? 0);
      expect(await runIn(neighbour, 'echo alive')).toMatchObject({ output: 'alive\n' });
    }
    await bomber.destroy();
    await bomb.catch(() => {});
  });

  test('has its memory bomb stopped, in memory and in files that are memory', {
    timeout: 60_000,
  }, async () => {
    const sandbox = await fixture.start();
    expect(await runIn(sandbox, 'exec perl -e \'my @a; push @a, "x" x 1e7 while 1\'')).toMatchObject({
      signal: 'SIGKILL',
      outOfMemory: true,
    });
    await runIn(sandbox, 'head -c 1G /dev/zero > /dev/shm/a; head -c 1G /dev/zero > /run/sandpiper/ports/b');
    expect((await sandbox.stats()).memoryBytes).toBeLessThanOrEqual(128 * 2 ** 20);
    expect(await runIn(sandbox, 'echo alive')).toMatchObject({ output: 'alive\n' });
  });
});
