import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { EngineSandbox } from '../engine.js';
import { type EngineFixture, runIn, searchPath, smallLimits } from '../testing/engine-fixture.js';
import { ask, startServer } from './server.js';

/** Writes a line to `~/ticks` twenty times a second, until it is ended. */
async function tick(sandbox: EngineSandbox): Promise<void> {
  const child = await sandbox.exec({
    cmd: '/bin/bash',
    args: ['-c', 'while :; do echo >> ~/ticks; sleep 0.05; done'],
    env: { PATH: searchPath, HOME: '/home/user' },
    cwd: '/',
    user: 'user',
    stdin: false,
  });
  child.stdout.resume();
  child.stderr.resume();
}
const ticks = (sandbox: EngineSandbox): Promise<number> =>
  sandbox.files.stat('/home/user/ticks').then(
    ({ size }) => size,
    () => 0,
  );

/** From the start of a sandbox to its end. */
export function describeLifecycle(fixture: EngineFixture): void {
  describe('a sandbox', () => {
    test('has its own files, processes and ports', async () => {
      const [one, other] = await Promise.all([fixture.start(), fixture.start()]);
      for (const [sandbox, says] of [
        [one, 'one'],
        [other, 'other'],
      ] as const) {
        expect(await ask(sandbox, 8080)).not.toBe(says);
        const server = `require('node:http').createServer((_, response) => response.end('${says}')).listen(8080)`;
        await startServer(sandbox, server);
        await expect.poll(() => ask(sandbox, 8080), { timeout: 20_000 }).toBe(says);
      }
      expect(await ask(one, 8080)).toBe('one');
      await runIn(one, 'echo > ~/file');
      expect(await other.files.list('/home/user', 1)).not.toContainEqual(
        expect.objectContaining({ name: 'file' }),
      );
    });

    test('stands still when it is frozen, and goes on when it is thawed', async ({ skip }) => {
      const { level, reason } = fixture.engine.capabilities.freeze;
      skip(level === 'absent', reason);
      const sandbox = await fixture.start();
      await tick(sandbox);
      await expect.poll(() => ticks(sandbox), { timeout: 20_000 }).toBeGreaterThan(1);
      await sandbox.freeze();
      await sandbox.freeze();
      const [before, { cpuMs }] = [await ticks(sandbox), await sandbox.stats()];
      await sleep(300);
      expect([await ticks(sandbox), (await sandbox.stats()).cpuMs]).toEqual([before, cpuMs]);
      await sandbox.thaw();
      await expect.poll(() => ticks(sandbox), { timeout: 20_000 }).toBeGreaterThan(before);
      await sandbox.freeze();
      await sandbox.destroy();
    });

    test('is kept as an image from which others start, each for itself', async ({ skip }) => {
      const { level, reason } = fixture.engine.capabilities.checkpoint;
      skip(level === 'absent', reason);
      const { engine } = fixture;
      const sandbox = await fixture.start();
      await runIn(
        sandbox,
        'cd && echo kept > file && chmod 640 file && ln -s file link && mkdir -m 711 made',
      );
      await sandbox.freeze();
      const image = await sandbox.checkpoint();
      await sandbox.thaw();
      await runIn(sandbox, 'echo later >> ~/file');
      await sandbox.destroy();
      expect(await engine.imageBytes(image)).toBeGreaterThan(0);
      const [one, other] = await Promise.all([
        fixture.start(smallLimits, { image }),
        fixture.start(smallLimits, { image }),
      ]);
      await runIn(one, 'echo changed > ~/file');
      const look = await runIn(other, 'cd && cat link && ls -ld file made | cut -c 1-10');
      expect(look.output).toBe('kept\n-rw-r-----\ndrwx--x--x\n');
      await Promise.all([one.destroy(), other.destroy()]);
      await engine.removeImage(image, []);
      await expect(fixture.start(smallLimits, { image })).rejects.toThrow();
    });

    test('that ends with its files kept starts with them again, and without them when they were removed', async () => {
      const { engine } = fixture;
      const id = `kept${process.pid}`;
      const first = await fixture.start(smallLimits, { id });
      await runIn(first, 'echo kept > ~/file; rm -f ~/.[!.]*');
      await first.destroy({ keepFiles: true });
      await engine.endOthers([id]);
      const second = await fixture.start(smallLimits, { id });
      expect((await runIn(second, 'cd && cat file && ls -A')).output).toBe('kept\nfile\n');
      await second.destroy({ keepFiles: true });
      await engine.removeFiles(id);
      const third = await fixture.start(smallLimits, { id });
      expect((await runIn(third, 'ls ~')).output).toBe('');
      await third.destroy();
    });

    test('is left alone when others are ended', async () => {
      const sandbox = await fixture.start();
      await fixture.engine.endOthers([]);
      expect((await runIn(sandbox, 'echo lives')).output).toBe('lives\n');
    });

    test('says what it uses', async () => {
      const sandbox = await fixture.start();
      await tick(sandbox);
      await expect
        .poll(async () => (await sandbox.stats()).processes, { timeout: 20_000 })
        .toBeGreaterThan(0);
      const { cpuMs } = await sandbox.stats();
      const busy = 'const end = Date.now() + 400; while (Date.now() < end); setTimeout(() => {}, 60000)';
      await startServer(sandbox, busy);
      await expect
        .poll(async () => (await sandbox.stats()).cpuMs, { timeout: 20_000 })
        .toBeGreaterThan(cpuMs + 200);
      const { memoryBytes, diskUsedBytes, diskTotalBytes } = await sandbox.stats();
      expect(memoryBytes).toBeGreaterThan(0);
      expect(diskUsedBytes).toBeLessThanOrEqual(diskTotalBytes);
    });

    test('ends with every process, once and for all', async () => {
      const sandbox = await fixture.start();
      const child = await sandbox.exec({
        cmd: '/bin/bash',
        args: ['-c', 'sleep 98762 & wait'],
        env: { PATH: searchPath },
        cwd: '/',
        user: 'user',
        stdin: false,
      });
      child.stdout.resume();
      child.stderr.resume();
      await Promise.all([sandbox.destroy(), sandbox.destroy()]);
      expect(await child.ended).toMatchObject({ code: undefined, signal: 'SIGKILL' });
      await expect(runIn(sandbox, 'true')).rejects.toThrow();
      await sandbox.destroy();
    });
  });
}
