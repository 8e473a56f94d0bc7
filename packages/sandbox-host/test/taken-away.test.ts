import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { expect, test, vi } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { tracesOf } from './traces-of-host.js';

test.for(['namespaces', 'none'] as const)(
  'a host whose data directory is emptied while it lives goes on, ends what it has and closes (isolation: %s)',
  { timeout: 120_000 },
  async (isolation, { skip }) => {
    skip(isolation === 'namespaces' && isolationObstacle !== undefined, isolationObstacle);
    const errors = vi.spyOn(console, 'error').mockImplementation(() => {});
    const dataDir = await mkdtemp(join(tmpdir(), 'taken-away-'));
    const host = await createSandboxHost({ dataDir, isolation, stopGraceMs: 100 });
    const { apiUrl, sandboxUrl, apiKey } = host;
    const connection = { apiUrl, sandboxUrl, apiKey };
    const sandbox = await Sandbox.create('base', connection);
    const paused = await Sandbox.create('base', connection);
    await paused.pause();
    for (const name of await readdir(dataDir))
      await rm(join(dataDir, name), { recursive: true, force: true });
    const emptied = /has been emptied while it runs/;
    await expect(Sandbox.create('base', connection)).rejects.toThrow(emptied);
    await expect(sandbox.createSnapshot()).rejects.toThrow();
    expect(await Sandbox.list(connection).nextItems()).toHaveLength(2);
    // What is gone is said; what is there is done.
    await expect(sandbox.commands.run('true')).rejects.toThrow(/does not exist in the sandbox/);
    await Sandbox.connect(paused.sandboxId, connection);
    expect(await sandbox.kill()).toBe(true);
    expect(await Sandbox.kill(paused.sandboxId, connection)).toBe(true);
    expect(await Sandbox.list(connection).nextItems()).toEqual([]);
    await host.close();
    expect(errors.mock.calls.flat().join(' ')).toContain(dataDir);
    errors.mockRestore();
    expect(tracesOf(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true, force: true });
  },
);

test('a host whose swap file is turned off while it lives says so, and loses nothing that was in it', {
  timeout: 120_000,
}, async ({ skip }) => {
  skip(isolationObstacle !== undefined, isolationObstacle);
  const warnings = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const dataDir = await mkdtemp(join(tmpdir(), 'swap-off-'));
  const host = await createSandboxHost({ dataDir, isolation: 'namespaces', swapFileMB: 256 });
  try {
    const { hibernate } = host.capabilities;
    skip(hibernate.level === 'absent', hibernate.reason);
    const { apiUrl, sandboxUrl, apiKey } = host;
    const connection = { apiUrl, sandboxUrl, apiKey };
    const ask = (method: string, path: string) =>
      fetch(apiUrl + path, { method, headers: { 'x-api-key': apiKey } });
    const sandbox = await Sandbox.create('base', connection);
    const counter = await sandbox.commands.run(
      `node -e "const kept = Buffer.alloc(4e7, 'x'); setInterval(() => console.log(kept.indexOf('y')), 200)"`,
      { background: true, timeoutMs: 0 },
    );
    await expect.poll(() => counter.stdout).toContain('-1');
    await sandbox.pause();
    const hibernateIt = async () => (await ask('POST', `/x/sandboxes/${sandbox.sandboxId}/hibernate`)).json();
    expect(await hibernateIt()).toEqual({ state: 'hibernated' });
    const file = /^(\S*sandpiper-swap\S*)/m.exec(readFileSync('/proc/swaps', 'utf8'))?.[1] ?? '';
    expect(file).toContain(dataDir);
    execFileSync('swapoff', [file]);
    expect(host.capabilities.hibernate).toEqual({
      level: 'absent',
      reason: expect.stringContaining('no swap any more'),
    });
    const again = await Sandbox.connect(sandbox.sandboxId, connection);
    const seen = counter.stdout.length;
    await expect.poll(() => counter.stdout.length).toBeGreaterThan(seen);
    await again.pause();
    // It keeps its memory, and is not said to have given it back.
    expect(await hibernateIt()).toEqual({ state: 'paused' });
    expect(await Sandbox.kill(sandbox.sandboxId, connection)).toBe(true);
  } finally {
    await host.close();
    warnings.mockRestore();
  }
  expect(tracesOf(dataDir)).toEqual([]);
  await rm(dataDir, { recursive: true, force: true });
});
