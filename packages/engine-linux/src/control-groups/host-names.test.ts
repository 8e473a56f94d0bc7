import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownerTag } from '@sandpiper/sandbox-engine/owner';
import { describe, expect, test } from 'vitest';
import { durableName, isOrphan, ownName } from './host-names.js';

describe.skipIf(process.platform !== 'linux')('the control groups of a host', () => {
  test('that takes its sandboxes with it are orphans when its process has ended, and only then', () => {
    const [pid, namespace] = ownerTag().split('-');
    const name = ownName();
    expect(isOrphan(name)).toBe(false);
    // A later process with the same number does not get the same name.
    expect(isOrphan(name.replace(ownerTag(), `${pid}-${namespace}-1`))).toBe(true);
    expect(isOrphan(name.replace(ownerTag(), `${pid}-${Number(namespace) + 1}-1`))).toBe(false);
    expect(ownName()).not.toBe(name);
  });

  test('whose sandboxes outlive it are orphans when its data directory has gone, and only then', () => {
    const directory = mkdtempSync(join(tmpdir(), 'host names %-é-'));
    const name = durableName(directory);
    expect(name).not.toContain('/');
    expect(isOrphan(name)).toBe(false);
    rmSync(directory, { recursive: true });
    expect(isOrphan(name)).toBe(true);
    // Others may see other files there.
    expect(isOrphan(name.replace(/\d+/, (namespace) => `${Number(namespace) + 1}`))).toBe(false);
  });

  test('with a path that is too long for a name, or with a name of another kind, are left alone', () => {
    const long = durableName(`/${'gone/'.repeat(60)}`);
    expect(long.length).toBeLessThan(255);
    expect([long, 'sandpiper-1', 'sandpiper-notes', 'docker'].map(isOrphan)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
