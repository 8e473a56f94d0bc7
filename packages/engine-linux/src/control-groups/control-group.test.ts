import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isolationObstacle, missingTools, unless } from '@sandpiper/sandbox-engine/testing/machine';
import { describe, expect, test } from 'vitest';
import { openControlGroups } from './control-groups.js';

const missing = missingTools('mkfs.ext4', 'fsfreeze', 'losetup');
const obstacle =
  isolationObstacle ?? (missing.length > 0 ? `${missing.join(', ')} is not installed` : undefined);

/** As ps has it: R, S, D for one that cannot be stopped. */
function stateOf(pid: number): string | undefined {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}

describe.skipIf(obstacle)(`a control group${unless(obstacle)}`, () => {
  test('goes on as a whole when one of its processes cannot be frozen', async () => {
    const { groups } = await openControlGroups();
    const group = await groups?.make('stuck', { cpuCount: 1, memoryMB: 64 });
    const temporary = mkdtempSync(join(tmpdir(), 'stuck-'));
    const file = join(temporary, 'disk');
    const mount = join(temporary, 'mount');
    execFileSync('sh', [
      '-c',
      'truncate -s 8M "$0" && mkfs.ext4 -q "$0" && mkdir "$1" && mount -o loop "$0" "$1"',
      file,
      mount,
    ]);
    // Who writes to a frozen file system waits, uninterruptible, for as long as it is.
    execFileSync('sh', ['-c', 'fsfreeze --freeze "$0"', mount]);
    const writer = spawn('touch', [join(mount, 'file')], { stdio: 'ignore' });
    const sleeper = spawn('sh', ['-c', 'while :; do sleep 0.02; done'], { stdio: 'ignore' });
    try {
      await expect.poll(() => stateOf(writer.pid ?? 0)).toBe('D');
      for (const { directory } of group?.places ?? [])
        for (const { pid } of [writer, sleeper]) writeFileSync(join(directory, 'cgroup.procs'), String(pid));
      await expect(group?.freeze()).rejects.toThrow(
        /did not become frozen within 5 s: a process in it waits/,
      );
      execFileSync('sh', ['-c', 'fsfreeze --unfreeze "$0"', mount]);
      await expect.poll(() => writer.exitCode).toBe(0);
      const { cpuMs = 0 } = group?.usage() ?? {};
      await expect.poll(() => group?.usage()?.cpuMs).toBeGreaterThan(cpuMs);
      await group?.freeze();
    } finally {
      for (const child of [writer, sleeper]) child.kill('SIGKILL');
      execFileSync('sh', ['-c', 'fsfreeze --unfreeze "$0" 2> /dev/null; umount "$0"', mount]);
      await group?.remove();
      await groups?.close();
      rmSync(temporary, { recursive: true });
    }
  });
});
