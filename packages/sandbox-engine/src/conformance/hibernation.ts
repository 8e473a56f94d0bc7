import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { ownerTag } from '@sandpiper/sandbox-engine/owner';
import { smallLimits, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { describe, expect, test, vi } from 'vitest';
import { endLeftovers, openEngine } from '../src/host/open-engine.js';

// They wait for what a busy machine does.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** Holds 40 MB and counts its answers, on port 8080. */
const server = `const data = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1e6, i + 1));
let answers = 0;
require('node:http').createServer((_, response) => response.end(data[6][0] + ' ' + ++answers)).listen(8080);`;

async function startServer(sandbox: EngineSandbox): Promise<void> {
  const child = await sandbox.exec({
    cmd: '/bin/bash',
    args: ['-c', 'exec node -e "$SERVER"'],
    env: { PATH: '/opt/node/bin:/usr/bin:/bin', HOME: '/home/user', SERVER: server },
    cwd: '/',
    user: 'user',
    stdin: false,
  });
  child.stdout.resume();
  child.stderr.resume();
}

async function ask(sandbox: EngineSandbox): Promise<string> {
  const endpoint = await sandbox.dial(8080);
  if (!endpoint) return 'nothing listens';
  const response = await fetch(`http://${endpoint.host}:${endpoint.port}/`);
  return response.text();
}

describeIsolated('a sandbox that hibernates', () => {
  const fixture = useEngine((directory) => openEngine({ logger: console, directory, swapFileMB: 256 }));

  test('gives back 95 % of its memory, and goes on where it was', async () => {
    expect(fixture.engine.capabilities.hibernate).toMatchObject({ level: 'enforced' });
    const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
    await startServer(sandbox);
    await expect.poll(() => ask(sandbox).catch(String), { timeout: 15_000 }).toBe('7 1');
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
      expect(await ask(sandbox)).toBe(`7 ${round}`);
    }
  });

  test('can be one that was frozen before, and can be destroyed as it is', async () => {
    const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
    await startServer(sandbox);
    await expect.poll(() => ask(sandbox).catch(String), { timeout: 15_000 }).toBe('7 1');
    await sandbox.freeze();
    await sandbox.hibernate();
    await sandbox.destroy();
  });

  test('stays frozen when the pushing out of its memory is stopped', async () => {
    const sandbox = await fixture.start({ ...smallLimits, memoryMB: 256 });
    await startServer(sandbox);
    await expect.poll(() => ask(sandbox).catch(String), { timeout: 15_000 }).toBe('7 1');
    const { residentBytesBefore, residentBytesAfter } = await sandbox.hibernate(AbortSignal.abort());
    expect(residentBytesAfter).toBeGreaterThan(residentBytesBefore * 0.5);
    const { cpuMs } = await sandbox.stats();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await sandbox.stats()).cpuMs).toBe(cpuMs);
    await sandbox.thaw();
    expect(await ask(sandbox)).toBe('7 2');
  });
});

describeIsolated('the swap file of a host that has died', () => {
  test('is taken back by the next one', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'swap-'));
    const dead = spawn('true');
    await once(dead, 'exit');
    const [, namespace] = ownerTag().split('-');
    const file = join(directory, `sandpiper-swap-${dead.pid}-${namespace}-1-x`);
    execFileSync('sh', ['-c', 'umask 077; fallocate -l 8M "$0" && mkswap -q "$0" && swapon "$0"', file]);
    expect(readFileSync('/proc/swaps', 'utf8')).toContain(file);
    await endLeftovers(directory);
    expect(readFileSync('/proc/swaps', 'utf8')).not.toContain(file);
    expect(existsSync(file)).toBe(false);
    rmSync(directory, { recursive: true });
  });
});

describe('a host without what hibernation needs', () => {
  const fixture = useEngine((directory) => openEngine({ logger: console, directory, isolation: 'none' }));

  test('says so, and why', async () => {
    expect(fixture.engine.capabilities.hibernate).toEqual({
      level: 'absent',
      reason: 'needs control groups',
    });
    const sandbox = await fixture.start();
    await expect(sandbox.hibernate()).rejects.toThrow(/cannot hibernate/);
  });
});
