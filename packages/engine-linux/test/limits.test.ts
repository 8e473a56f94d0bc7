import { availableParallelism, totalmem } from 'node:os';
import { runIn, smallLimits, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { expect, test } from 'vitest';
import { start } from './start.js';

describeIsolated('the limits of control groups', { timeout: 60_000 }, () => {
  const fixture = useEngine(start);

  test('end a program that fills a file system in memory', async () => {
    const sandbox = await fixture.start({ ...smallLimits, memoryMB: 32 });
    const { signal } = await runIn(sandbox, 'exec head -c 60M /dev/zero > /dev/shm/file');
    expect(signal).toBe('SIGKILL');
  });

  test('are never more than the machine has, and are said', async () => {
    const sandbox = await fixture.start({ cpuCount: 4_096, memoryMB: 2 ** 30 });
    expect(sandbox.limits?.cpuCount).toBe(availableParallelism());
    expect(sandbox.limits?.memoryMB).toBeLessThanOrEqual(totalmem() / 2 ** 20);
    expect(sandbox.limits?.pids).toBe(1_024);
  });
});
