import { beforeEach, describe, expect, test } from 'vitest';
import { type EngineFixture, smallLimits } from '../testing/engine-fixture.js';
import { ask, startServer } from './server.js';
import { skipUnless } from './skip-unless.js';

/** Holds 40 MB and counts its answers, on port 8080. */
const server = `const data = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1e6, i + 1));
let answers = 0;
require('node:http').createServer((_, response) => response.end(data[6][0] + ' ' + ++answers)).listen(8080);`;

/** What becomes of the memory of a sandbox that hibernates. */
export function describeHibernation(fixture: EngineFixture): void {
  describe('a sandbox that hibernates', () => {
    beforeEach(({ skip }) => skipUnless(fixture, 'hibernate', skip));

    test('gives back 95 % of its memory, and goes on where it was', async () => {
      const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
      await startServer(sandbox, server);
      await expect.poll(() => ask(sandbox, 8080).catch(String), { timeout: 15_000 }).toBe('7 1');
      for (const round of [2, 3]) {
        const { residentBytesBefore, residentBytesAfter } = await sandbox.hibernate();
        // It began with 40 MB of data; in a second round only what has been touched has come back.
        if (round === 2) {
          expect(residentBytesBefore).toBeGreaterThan(45e6);
          expect(residentBytesAfter).toBeLessThan(residentBytesBefore * 0.05);
        }
        expect(residentBytesAfter).toBeLessThan(5e6);
        expect((await sandbox.stats()).memoryBytes).toBeLessThan(5e6);
        await sandbox.thaw();
        expect(await ask(sandbox, 8080)).toBe(`7 ${round}`);
      }
    });

    test('can be one that was frozen before, and can be destroyed as it is', async () => {
      const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
      await startServer(sandbox, server);
      await expect.poll(() => ask(sandbox, 8080).catch(String), { timeout: 15_000 }).toBe('7 1');
      await sandbox.freeze();
      await sandbox.hibernate();
      await sandbox.destroy();
    });

    test('stays frozen when the pushing out of its memory is stopped', async () => {
      const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
      await startServer(sandbox, server);
      await expect.poll(() => ask(sandbox, 8080).catch(String), { timeout: 15_000 }).toBe('7 1');
      const { residentBytesBefore, residentBytesAfter } = await sandbox.hibernate(AbortSignal.abort());
      expect(residentBytesAfter).toBeGreaterThan(residentBytesBefore * 0.5);
      const { cpuMs } = await sandbox.stats();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect((await sandbox.stats()).cpuMs).toBe(cpuMs);
      await sandbox.thaw();
      expect(await ask(sandbox, 8080)).toBe('7 2');
    });
  });

  describe('a sandbox of an engine without hibernation', () => {
    test('is refused it', async ({ skip }) => {
      const { level } = fixture.engine.capabilities.hibernate;
      skip(level !== 'absent', `hibernation is ${level}`);
      const sandbox = await fixture.start();
      await expect(sandbox.hibernate()).rejects.toMatchObject({ status: 501 });
    });
  });
}
