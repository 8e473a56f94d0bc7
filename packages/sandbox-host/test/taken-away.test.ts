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
