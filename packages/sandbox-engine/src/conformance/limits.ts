import { availableParallelism, totalmem } from 'node:os';
import { runIn, smallLimits, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { expect, test, vi } from 'vitest';
import { openEngine } from '../src/host/open-engine.js';
import { createSandboxHost } from '../src/index.js';

// They wait for what a busy machine does.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

describeIsolated('the limits of a sandbox', () => {
  const fixture = useEngine((directory) => openEngine({ logger: console, directory }));

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

  test('end a program that fills a file system in memory', async () => {
    const sandbox = await fixture.start({ ...smallLimits, memoryMB: 32 });
    const { signal } = await runIn(sandbox, 'exec head -c 60M /dev/zero > /dev/shm/file');
    expect(signal).toBe('SIGKILL');
  });

  test('stop a fork bomb at as many processes as were said', async () => {
    const sandbox = await fixture.start({ ...smallLimits, pids: 32 });
    const { output } = await runIn(
      sandbox,
      `exec perl -e 'close STDERR; for (1 .. 100) { my $pid = fork; if (!defined $pid) { print "$!"; last }
        if (!$pid) { close STDOUT; sleep 60; exit } }'`,
    );
    expect(output).toBe('Resource temporarily unavailable');
    expect((await sandbox.stats()).processes).toBeLessThanOrEqual(32);
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

  test('are never more than the machine has, and are said', async () => {
    const sandbox = await fixture.start({ cpuCount: 4_096, memoryMB: 2 ** 30 });
    expect(sandbox.limits?.cpuCount).toBe(availableParallelism());
    expect(sandbox.limits?.memoryMB).toBeLessThanOrEqual(totalmem() / 2 ** 20);
    expect(sandbox.limits?.pids).toBe(1_024);
  });

  test('count memory of processes and of files apart', async () => {
    const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
    await runIn(sandbox, 'head -c 60M /dev/zero > /tmp/file');
    const { memoryBytes, cacheBytes } = await sandbox.stats();
    expect(cacheBytes).toBeGreaterThan(50e6);
    expect(memoryBytes).toBeLessThan(50e6);
  });
});

describeIsolated('a host with limits', () => {
  test('says to the caller and in the log that a command was killed for memory', async () => {
    await using host = await createSandboxHost();
    const { apiUrl, sandboxUrl, apiKey } = host;
    const sandbox = await Sandbox.create({ apiUrl, sandboxUrl, apiKey });
    const bomb = sandbox.commands.run('node -e "Buffer.alloc(900e6, 1)"');
    await expect(bomb).rejects.toMatchObject({
      error: expect.stringMatching(/^(signal: killed|exit status 137) \(the sandbox ran out of memory\)$/),
    });
    await sandbox.getMetrics();
    const answer = await fetch(`${apiUrl}/sandboxes/${sandbox.sandboxId}/logs`, {
      headers: { 'X-API-KEY': apiKey },
    });
    expect(await answer.text()).toContain('Out of memory: 1 killed at the limit of 512 MB.');
  });
});
