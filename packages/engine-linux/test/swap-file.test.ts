import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownerTag } from '@sandpiper/sandbox-engine/owner';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { expect, test } from 'vitest';
import { removeOrphanedSwap } from '../src/swap-file.js';

describeIsolated('the swap file of a host that has died', () => {
  test('is taken back by the next one', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'swap-'));
    const dead = spawn('true');
    await once(dead, 'exit');
    const [, namespace] = ownerTag().split('-');
    const file = join(directory, `sandpiper-swap-${dead.pid}-${namespace}-1-x`);
    execFileSync('sh', ['-c', 'umask 077; fallocate -l 8M "$0" && mkswap -q "$0" && swapon "$0"', file]);
    expect(readFileSync('/proc/swaps', 'utf8')).toContain(file);
    await removeOrphanedSwap();
    expect(readFileSync('/proc/swaps', 'utf8')).not.toContain(file);
    expect(existsSync(file)).toBe(false);
    rmSync(directory, { recursive: true });
  });
});
