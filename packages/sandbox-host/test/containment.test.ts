import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesWith } from '@sandpiper/engine-linux/testing/traces';
import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

/** Processor time, in clock ticks, of every process in whose environment or group a sandbox can be seen. */
function ticksOf(mark: string): number {
  return processesWith(mark).reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return sum + Number(fields[11]) + Number(fields[12]);
  }, 0);
}

const nothingApart = 'without namespaces nothing is kept apart';

describeHosts(
  'a sandbox',
  (fixture) => {
    const isolated = fixture.isolation === 'namespaces';

    test('uses no processor time while it is paused', async ({ skip }) => {
      skip(process.platform !== 'linux', 'processor time is read from /proc');
      const sandbox = await fixture.create();
      const mark = `spin-${sandbox.sandboxId}`;
      await sandbox.commands.run(`exec -a ${mark} bash -c 'while true; do :; done' ${mark}`, {
        background: true,
        timeoutMs: 0,
      });
      await expect.poll(() => ticksOf(mark), { timeout: 10_000 }).toBeGreaterThan(2);
      await sandbox.pause();
      const before = ticksOf(mark);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(ticksOf(mark)).toBe(before);
      await sandbox.connect();
      await expect.poll(() => ticksOf(mark), { timeout: 10_000 }).toBeGreaterThan(before);
      await sandbox.kill();
    });

    test('keeps links in the files API within its own root, absolute or not', async () => {
      const outside = mkdtempSync(join(tmpdir(), 'outside-'));
      writeFileSync(join(outside, 'secret'), 'secret');
      const sandbox = await fixture.create();
      const up = '../'.repeat(20);
      await sandbox.commands.run(
        `ln -s ${outside} absolute; ln -s ${up}${outside.slice(1)} relative; ln -s loop loop`,
      );
      for (const path of [
        `absolute/secret`,
        `relative/secret`,
        `${up}${outside.slice(1)}/secret`,
        `/proc/1/root${outside}/secret`,
      ]) {
        await expect(sandbox.files.read(path), path).rejects.toThrow(/does not exist|not be read/);
        expect(await sandbox.files.exists(path), path).toBe(false);
      }
      await expect(sandbox.files.read('loop')).rejects.toThrow(/too many symbolic links/);
      // A write through the link lands in a directory of that name inside.
      await sandbox.files.write('absolute/planted', 'planted').catch(() => {});
      expect(() => readFileSync(join(outside, 'planted'))).toThrow();
      await sandbox.files.remove('absolute');
      expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
      await sandbox.kill();
      rmSync(outside, { recursive: true });
    });

    test('does not make a reader wait for a pipe, nor read a device', async () => {
      const sandbox = await fixture.create();
      await sandbox.commands.run('mkfifo pipe');
      await expect(sandbox.files.read('pipe')).rejects.toThrow(/not a regular file/);
      if (isolated) await expect(sandbox.files.read('/dev/zero')).rejects.toThrow(/not a regular file/);
      await sandbox.kill();
    });

    test('is held back by a slow reader instead of filling the memory of the host', async () => {
      const sandbox = await fixture.create();
      let first: (() => void) | undefined;
      const blocked = new Promise<void>((resolve) => {
        first = resolve;
      });
      let received = 0;
      const command = await sandbox.commands.run('head -c 200000000 /dev/zero; echo done >&2', {
        background: true,
        timeoutMs: 0,
        onStdout: async (data) => {
          received += data.length;
          await blocked;
        },
      });
      await expect.poll(() => received, { timeout: 10_000 }).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, 500));
      // Everything between the process and the reader is bounded, so it cannot have written it all.
      expect((await sandbox.commands.list()).map((one) => one.pid)).toContain(command.pid);
      first?.();
      await command.kill();
      await sandbox.kill();
    });

    test('reaches a server that is not a Node.js program, and only its own', async ({ skip }) => {
      const python = await fixture.create();
      const has = await python.commands.run('python3 -c "import http.server"').catch(() => undefined);
      skip(!has, 'sandboxes of this machine have no Python');
      const other = await fixture.create();
      const port = 20_000 + (process.pid % 10_000) + (isolated ? 0 : 10_000);
      await python.files.write('index.html', 'from python');
      await python.commands.run(`python3 -m http.server ${port}`, { background: true, timeoutMs: 0 });
      const ask = (id: string) =>
        fetch(fixture.host.sandboxUrl, {
          headers: { 'E2b-Sandbox-Id': id, 'E2b-Sandbox-Port': String(port) },
        });
      await expect
        .poll(async () => (await ask(python.sandboxId)).text(), { timeout: 15_000 })
        .toBe('from python');
      expect((await ask(other.sandboxId)).status).toBe(502);
      await python.kill();
      await other.kill();
    });

    test('sees nothing of the host and cannot change it', async ({ skip }) => {
      skip(!isolated, nothingApart);
      const outside = mkdtempSync(join(tmpdir(), 'outside-'));
      const sandbox = await fixture.create();
      const attempts: Record<string, string> = {
        'the files of the host': `ls ${outside} /root /work /boot`,
        'the accounts of the host': 'grep -v -e ^root: -e ^user: -e ^nobody: /etc/passwd',
        'other processes': "ls /proc | grep -x '[0-9]*' | awk '$1 > 1000' | grep .",
        'the system directories': 'touch /usr/planted',
        'kernel settings': 'echo x > /proc/sys/kernel/core_pattern',
        'the magic keys': 'echo b > /proc/sysrq-trigger',
        'new mounts': 'mount -t tmpfs tmpfs /mnt',
        devices: 'mknod /tmp/disk b 8 0',
        'the host name': 'hostname changed',
        'set-user-id programs': 'su -c id || sudo -n id',
      };
      for (const user of ['user', 'root']) {
        for (const [what, attempt] of Object.entries(attempts)) {
          const result = await sandbox.commands.run(attempt, { user }).catch((error: unknown) => error);
          if (user === 'root' && what === 'set-user-id programs') continue;
          expect(result, `${user}: ${what}`).toMatchObject({ name: 'CommandExitError' });
        }
      }
      expect((await sandbox.commands.run('hostname')).stdout.trim()).toBe(sandbox.sandboxId);
      expect((await sandbox.commands.run('grep ^Cap /proc/self/status')).stdout).toMatch(/CapBnd:\s+0{16}/);
      await sandbox.kill();
      rmSync(outside, { recursive: true });
    });

    test('gets the Node.js of the host, but nothing of what lies beside it', async ({ skip }) => {
      skip(!isolated, nothingApart);
      const home = mkdtempSync(join(tmpdir(), 'home-'));
      mkdirSync(join(home, 'bin'));
      writeFileSync(join(home, 'secret'), 'secret');
      const { execPath } = process;
      copyFileSync(execPath, join(home, 'bin/node'));
      process.execPath = join(home, 'bin/node');
      try {
        const sandbox = await fixture.create();
        const { stdout } = await sandbox.commands.run(
          'node -p 1+1; command -v node; find /opt/node -name secret; ls /proc/self/fd',
        );
        // The fourth descriptor is that of the directory that is being listed.
        expect(stdout.trim().split('\n')).toEqual(['2', '/opt/node/bin/node', '0', '1', '2', '3']);
        await sandbox.kill();
      } finally {
        process.execPath = execPath;
        rmSync(home, { recursive: true });
      }
    });

    test("starts the host's Chromium by the name that people know it by", async ({ skip }) => {
      skip(!isolated, nothingApart);
      skip(!existsSync('/usr/bin/chromium'), 'chromium is not installed');
      const sandbox = await fixture.create();
      const { stdout, stderr } = await sandbox.commands.run('chromium --version');
      expect([stdout.split(' ')[0], stderr]).toEqual(['Chromium', '']);
      await sandbox.kill();
    });

    test('reads files that are made as they are read, and files that are empty', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.write('empty', '');
      expect(await sandbox.files.read('empty')).toBe('');
      expect(await sandbox.files.read('empty', { format: 'bytes' })).toEqual(new Uint8Array());
      if (isolated) expect(await sandbox.files.read('/proc/meminfo')).toMatch(/^MemTotal/);
      await sandbox.kill();
    });

    test('is known to be gone when its first process is', async ({ skip }) => {
      skip(!isolated, nothingApart);
      const sandbox = await fixture.create();
      const first = processesWith(`sandpiper-init ${sandbox.sandboxId}`);
      expect(first).not.toEqual([]);
      for (const pid of first) process.kill(pid, 'SIGKILL');
      await expect.poll(() => sandbox.isRunning(), { timeout: 10_000 }).toBe(false);
      await expect(sandbox.getInfo()).rejects.toThrow(/not found/);
    });

    test('does not meet another sandbox: neither its files nor its processes', async ({ skip }) => {
      skip(!isolated, nothingApart);
      const [one, other] = await Promise.all([fixture.create(), fixture.create()]);
      await one.commands.run('sleep 31337', { background: true, timeoutMs: 0 });
      await one.files.write('/tmp/mine', 'mine');
      expect(
        (await other.commands.run('cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls /tmp')).stdout,
      ).not.toMatch(/31337|mine/);
      await Promise.all([one.kill(), other.kill()]);
    });
  },
  { withTls: true },
);
