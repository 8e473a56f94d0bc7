import type { EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { runIn, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { isolationObstacle, unless } from '@sandpiper/sandbox-engine/testing/machine';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { sharedIds } from '../src/user-ids.js';
import { start } from './start.js';

// A machine that refuses user namespaces is not to be had here; everything else is as it is there.
vi.mock(import('../src/user-ids.js'), async (original) => ({
  ...(await original()),
  findSandboxIds: async () => ({ ids: sharedIds, obstacle: 'this test refuses them' }),
}));

describe.skipIf(isolationObstacle)(
  `a machine without user namespaces${unless(isolationObstacle)}`,
  {
    timeout: 90_000,
  },
  () => {
    const fixture = useEngine(start);
    let sandbox: EngineSandbox;
    beforeAll(async () => {
      sandbox = await fixture.start();
    }, 90_000);

    test('says so, and still proves what it has', () => {
      const { isolation, limits } = fixture.engine.capabilities;
      expect(isolation).toEqual({
        level: 'advisory',
        reason: expect.stringMatching(/no user namespace: .*this test refuses them/),
      });
      expect(limits.level).toBe('enforced');
    });

    test('runs programs as a user that nobody on the host is, and as a root without privileges', async () => {
      expect(await runIn(sandbox, 'id -u; touch ~/made; stat -c %U ~/made')).toMatchObject({
        output: '59999\nuser\n',
      });
      expect(
        (await runIn(sandbox, "id -u; awk '/^CapEff/ { print $2 }' /proc/self/status", 'root')).output,
      ).toBe('0\n00000000000000fb\n');
      const owners = ['/home/user', '/etc/passwd', '/usr/bin/env'].map((path) => sandbox.files.stat(path));
      expect((await Promise.all(owners)).map(({ owner }) => owner)).toEqual(['user', 'root', 'root']);
    });

    test('keeps that root from the first process and from the devices of the machine', async () => {
      for (const attempt of [
        'kill -9 1; head -c 1 /proc/1/mem',
        'readlink /proc/1/fd/0',
        'chmod 666 /dev/null',
      ]) {
        expect((await runIn(sandbox, attempt, 'root')).code, attempt).toBe(1);
      }
      expect((await runIn(sandbox, 'echo alive')).output).toBe('alive\n');
    });
  },
);
