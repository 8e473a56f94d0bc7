import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import type { EngineSandbox } from '../engine.js';
import { type EngineFixture, runIn, smallLimits } from '../testing/engine-fixture.js';
import { skipUnless } from './skip-unless.js';

const diskMB = 64;
// Nothing here writes more than 200 MB, and only to the home: an engine that holds nothing is not to fill the machine.

/** What a sandbox may keep of what it writes. */
export function describeDisk(fixture: EngineFixture): void {
  describe('the disk of a sandbox', () => {
    beforeEach(({ skip }) => skipUnless(fixture, 'disk', skip));
    const start = (options: Parameters<EngineFixture['start']>[1] = {}): Promise<EngineSandbox> =>
      fixture.start({ ...smallLimits, diskMB }, options);

    test.each(['user', 'root'] as const)('is full at its limit for %s, and others go on', async (user) => {
      const [sandbox, other] = await Promise.all([start(), start()]);
      expect(sandbox.limits.diskMB).toBe(diskMB);
      const filled = await runIn(sandbox, 'dd if=/dev/zero of=~/fill bs=1M count=200', user);
      expect(filled.code).toBe(1);
      expect(filled.output).toContain('No space left on device');
      const { diskUsedBytes, diskTotalBytes } = await sandbox.stats();
      expect(diskTotalBytes).toBeLessThanOrEqual(diskMB * 2 ** 20);
      expect(diskTotalBytes).toBeGreaterThan(diskMB * 0.95 * 2 ** 20);
      expect(diskUsedBytes).toBeGreaterThan(diskTotalBytes * 0.95);
      const kept = await runIn(other, 'dd if=/dev/zero of=~/fill bs=1M count=40 && echo kept');
      expect(kept.output).toContain('kept');
    });

    test('has room for a limited number of files', async () => {
      const sandbox = await start();
      const script = `let i = 0; try { for (; i < 20000; i++) fs.writeFileSync(i.toString(), ""); } catch ({ code }) { console.log(i, code); }`;
      const { output } = await runIn(sandbox, `mkdir ~/many && cd ~/many && node -e '${script}'`);
      expect(output).toMatch(/^\d+ ENOSPC\n$/);
      expect(Number.parseInt(output, 10)).toBeLessThanOrEqual((diskMB * 2 ** 20) / 16_384);
      // With room for contents left, it is files that it has no more room for.
      expect((await runIn(sandbox, 'cd ~/many && rm -f 1?? && echo room > again && cat again')).output).toBe(
        'room\n',
      );
    });

    test('has room again for what was removed', async () => {
      const sandbox = await start();
      for (let times = 0; times < 3; times++) {
        expect((await runIn(sandbox, 'head -c 50M /dev/zero > ~/fill')).code).toBe(0);
        await runIn(sandbox, 'rm ~/fill');
      }
    });

    test('is a limit for the files API too, which says so', async () => {
      const sandbox = await start();
      await runIn(sandbox, 'dd if=/dev/zero of=~/fill bs=1M count=200');
      const writing = sandbox.files.write('/home/user/a', Readable.from([Buffer.alloc(2 ** 20)]), 'user');
      await expect(writing).rejects.toMatchObject({ status: 507 });
      expect((await runIn(sandbox, 'ls ~')).output).toBe('fill\n');
      await sandbox.files.remove('/home/user/fill');
      await sandbox.files.write('/home/user/a', Readable.from([Buffer.alloc(2 ** 20)]), 'user');
    });

    test('takes more than a sandbox has memory for, and gives it back as it was', async () => {
      const sandbox = await fixture.start({ ...smallLimits, diskMB: 256, memoryMB: 32 });
      const script = 'head -c 150M /dev/urandom | tee ~/large | sha256sum; sync -f ~; sha256sum < ~/large';
      const { output, ...status } = await runIn(sandbox, script);
      expect(status.code).toBe(0);
      const [written, read] = output.split('\n');
      expect(read).toBe(written);
      expect((await sandbox.stats()).oomKills).toBe(0);
    });

    test('keeps what is on it for the next start, also when it was full', async () => {
      const id = `disk${process.pid}`;
      const sandbox = await start({ id });
      await runIn(sandbox, 'echo first > ~/one; dd if=/dev/zero of=~/fill bs=1M count=200');
      await sandbox.destroy({ keepFiles: true });
      const again = await start({ id });
      expect((await runIn(again, 'cat ~/one; head -c 4M /dev/zero >> ~/fill')).output).toMatch(
        /^first\n.*No space left on device/s,
      );
      await again.destroy();
    });

    test('is 10 GB where nothing else is said', async () => {
      const { limits } = await fixture.start();
      expect(limits.diskMB).toBe(10_240);
    });
  });
}
