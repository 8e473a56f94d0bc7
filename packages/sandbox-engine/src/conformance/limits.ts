import { beforeEach, describe, expect, test } from 'vitest';
import { type EngineFixture, runIn, smallLimits } from '../testing/engine-fixture.js';
import { skipUnless } from './skip-unless.js';

/** What a sandbox is kept from taking of the machine. */
export function describeLimits(fixture: EngineFixture): void {
  describe('the limits of a sandbox', () => {
    beforeEach(({ skip }) => skipUnless(fixture, 'limits', skip));

    test('end a program that takes more memory than there is', async () => {
      const sandbox = await fixture.start();
      const { output, ...status } = await runIn(
        sandbox,
        'exec node -e "Buffer.alloc(400e6, 1); console.log(1)"',
      );
      expect(output).not.toContain('1');
      expect(status).toEqual({ code: undefined, signal: 'SIGKILL', outOfMemory: true });
      expect((await sandbox.stats()).oomKills).toBe(1);
      // The sandbox itself lives on.
      expect(await runIn(sandbox, 'echo alive')).toMatchObject({ code: 0, output: 'alive\n' });
    });

    test('are told from a kill that somebody asked for', async () => {
      const sandbox = await fixture.start();
      const child = await runIn(sandbox, 'exec sh -c "kill -9 \\$\\$"');
      expect(child).toMatchObject({ signal: 'SIGKILL' });
      expect(child.outOfMemory).toBeUndefined();
      // What a command has started counts as its own.
      expect(await runIn(sandbox, 'node -e "Buffer.alloc(400e6, 1)"; exit $?')).toMatchObject({
        code: 137,
        outOfMemory: true,
      });
    });

    test('stop a fork bomb at as many processes as were said', async () => {
      const sandbox = await fixture.start({ ...smallLimits, pids: 48 });
      const bomb = `const { spawn } = require('node:child_process');
      for (let i = 0; i < 100; i++) spawn('sleep', ['60']).once('error', ({ code }) => { console.log(code); process.exit(); });`;
      expect((await runIn(sandbox, `node -e "${bomb}"`)).output).toBe('EAGAIN\n');
      expect((await sandbox.stats()).processes).toBeLessThanOrEqual(48);
    });

    test('give a busy program its share of the processors and no more', async () => {
      const sandbox = await fixture.start({ ...smallLimits, cpuCount: 0.2 });
      const { cpuMs: before } = await sandbox.stats();
      const begin = performance.now();
      await runIn(sandbox, 'timeout 2 sh -c "while :; do :; done"');
      const elapsedMs = performance.now() - begin;
      const { cpuMs } = await sandbox.stats();
      expect(cpuMs - before).toBeGreaterThan(0);
      // A period may be used up at either end.
      expect(cpuMs - before).toBeLessThan(elapsedMs * 0.2 + 100);
    });

    test('are said', async () => {
      const { limits } = await fixture.start();
      expect(limits).toMatchObject(smallLimits);
    });

    test('count memory of processes and of files apart', async () => {
      const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
      await runIn(sandbox, 'head -c 60M /dev/zero > ~/file');
      const { memoryBytes, cacheBytes } = await sandbox.stats();
      expect(cacheBytes).toBeGreaterThan(50e6);
      expect(memoryBytes).toBeLessThan(50e6);
    });
  });

  describe('a sandbox of an engine without limits', () => {
    test('says none', async ({ skip }) => {
      const { level } = fixture.engine.capabilities.limits;
      skip(level !== 'absent', `limits are ${level}`);
      const { limits } = await fixture.start();
      expect([limits.cpuCount, limits.memoryMB, limits.pids]).toEqual([undefined, undefined, undefined]);
    });
  });
}
