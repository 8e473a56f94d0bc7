import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Command, EngineProcess, EngineSandbox } from '../engine.js';
import { type EngineFixture, runIn, startBash } from '../testing/engine-fixture.js';

/** What becomes of programs that are started in a sandbox. */
export function describeCommands(fixture: EngineFixture): void {
  describe('commands in a sandbox', () => {
    let sandbox: EngineSandbox;
    beforeAll(async () => {
      sandbox = await fixture.start({ cpuCount: 2, memoryMB: 512, pids: 256 });
    });

    const bash = (script: string, command: Partial<Command> = {}): Promise<EngineProcess> =>
      startBash(sandbox, script, command);

    test('run fifty at once, silent ones too, and none holds up another or the host', async () => {
      const silent = await Promise.all(
        Array.from({ length: 50 }, (_, code) => bash(`read line; exit ${code}`, { stdin: true })),
      );
      for (const { stdout, stderr } of silent) {
        stdout.resume();
        stderr.resume();
      }
      // All wait; the host's thread pool must still serve files, and one more command.
      await sandbox.files.makeDirectory('/home/user/made', 'user');
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
      expect(await text(missing.stderr)).toContain('no-such-program');
      expect(await missing.ended).toEqual({ code: 127, signal: undefined });
      const forbidden = await bash('', { cmd: '/etc/passwd' });
      forbidden.stdout.resume();
      expect(await text(forbidden.stderr)).toContain('Permission denied');
      expect(await forbidden.ended).toMatchObject({ code: 126 });
    });

    test('are refused when they cannot be what they are to be', async () => {
      await expect(bash('', { cwd: '/nowhere' })).rejects.toMatchObject({
        status: 400,
        message: expect.stringContaining('/nowhere does not exist'),
      });
      for (const name of ['', 'A=B', 'A\0']) {
        await expect(bash('', { env: { [name]: 'value' } })).rejects.toThrow('cannot be the name');
      }
      await expect(bash('a\0b')).rejects.toThrow('NUL');
    });

    test('get exactly their arguments and their environment', async () => {
      const awkward = ['', ' ', '\n', '"\'\\', '$HOME', '-n', 'é漢'];
      const child = await bash('', {
        cmd: '/usr/bin/env',
        args: ['-u', 'NOTHING', 'printf', '[%s]', ...awkward],
      });
      child.stderr.resume();
      expect(await text(child.stdout)).toBe(awkward.map((word) => `[${word}]`).join(''));
      const names = { A: 'new\nline', B: ' é', LD_PRELOAD: '/nowhere.so', PATH: '/usr/bin:/bin' };
      const env = await bash('', { cmd: '/usr/bin/env', args: ['-0'], env: names });
      const [stdout] = await Promise.all([text(env.stdout), text(env.stderr)]);
      const seen = Object.fromEntries(
        stdout
          .split('\0')
          .filter(Boolean)
          .map((line) => line.split(/=(.*)/s)),
      );
      for (const [name, value] of Object.entries(names)) expect(seen[name]).toBe(value);
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

    test('are slowed down by a slow reader', async () => {
      const child = await bash(
        'for i in $(seq 1 400); do head -c 10000 /dev/zero; echo $i > ~/progress; done',
      );
      child.stderr.resume();
      const progress = async (): Promise<number> => Number((await runIn(sandbox, 'cat ~/progress')).output);
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

    test('are killed with all that is in their group', async () => {
      const child = await bash(
        'sleep 98761 & echo $!; sleep 98761 & echo $!; (sleep 98761 & echo $!) ; echo; wait',
      );
      child.stderr.resume();
      let said = '';
      child.stdout.on('data', (data: Buffer) => {
        said += data;
      });
      await expect.poll(() => said, { timeout: 20_000 }).toMatch(/\n\n$/);
      const pids = said.trim().split('\n');
      expect(pids).toHaveLength(3);
      const sleepers = async (): Promise<string> =>
        (await runIn(sandbox, `for pid in ${pids.join(' ')}; do kill -0 $pid 2>/dev/null && echo $pid; done`))
          .output;
      expect(await sleepers()).toBe(said.trimStart().replace('\n\n', '\n'));
      await child.kill('SIGKILL');
      expect(await child.ended).toEqual({ code: undefined, signal: 'SIGKILL' });
      await expect.poll(sleepers, { timeout: 20_000 }).toBe('');
    });

    test('run in a terminal of the size that was asked for and that is asked for later', async ({ skip }) => {
      const terminal = { cols: 80, rows: 24 };
      const shell = await bash('stty size; read -r line; stty size; exit 4', { terminal }).catch((error) => {
        skip(error.status === 501, String(error.message));
        throw error;
      });
      shell.stderr.resume();
      let seen = '';
      shell.stdout.on('data', (data: Buffer) => {
        seen += data;
      });
      await expect.poll(() => seen, { timeout: 20_000 }).toContain('24 80');
      await shell.resize?.({ cols: 91, rows: 17 });
      shell.stdin?.write('typed\n');
      expect(await shell.ended).toEqual({ code: 4, signal: undefined });
      expect(seen).toContain('17 91');
    });
  });
}
