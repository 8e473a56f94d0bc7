import { existsSync, readdirSync } from 'node:fs';
import { processesWith } from '@sandpiper/engine-linux/testing/traces';
import { isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { describe, expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { useHostProcesses } from './host-process.js';

const hosts = useHostProcesses();

describe.skipIf(process.platform !== 'linux')('a host that is killed with SIGKILL (on Linux)', () => {
  test.for(['namespaces', 'none'] as const)(
    'leaves nothing running and nothing that the next host does not remove (isolation: %s)',
    { timeout: 120_000 },
    async (isolation, { skip }) => {
      skip(isolation === 'namespaces' && isolationObstacle !== undefined, isolationObstacle);
      const mark = `98765${process.pid}${isolation === 'none' ? 1 : 2}`;
      const { child, connection, kill } = await hosts.start({ isolation });
      const [running, paused] = await Promise.all([
        Sandbox.create('base', connection),
        Sandbox.create('base', connection),
      ]);
      for (const sandbox of [running, paused]) {
        await sandbox.commands.run(`sleep ${mark} & sleep ${mark}`, { background: true, timeoutMs: 0 });
      }
      await paused.pause();
      await expect
        .poll(() => processesWith(`sleep ${mark}`).length, { timeout: 30_000 })
        .toBeGreaterThanOrEqual(4);
      const directories = readdirSync('/tmp').filter((name) =>
        name.startsWith(`sandpiper-host-${child.pid}-`),
      );
      expect(directories).toHaveLength(1);
      await kill();
      if (isolation === 'namespaces') {
        await expect.poll(() => processesWith(`sleep ${mark}`), { timeout: 30_000 }).toEqual([]);
      }
      const next = await createSandboxHost({ isolation });
      await next.close();
      expect(processesWith(`sleep ${mark}`)).toEqual([]);
      expect(existsSync(`/tmp/${directories[0]}`)).toBe(false);
    },
  );
});
