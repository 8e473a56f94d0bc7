import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { missingTools, unless } from '../../testing/machine.js';
import pythonPortScript from './sitecustomize.py';

const obstacle = missingTools('python3').length > 0 ? 'python3 is not installed' : undefined;

describe.skipIf(obstacle)(`what Python runs at its start${unless(obstacle)}`, () => {
  let ours: string;
  let machines: string;
  beforeEach(() => {
    [ours, machines] = ['ours', 'machines'].map((name) => mkdtempSync(join(tmpdir(), `${name}-`))) as [
      string,
      string,
    ];
    writeFileSync(join(ours, 'sitecustomize.py'), pythonPortScript);
  });
  afterEach(() => {
    for (const path of [ours, machines]) rmSync(path, { recursive: true, force: true });
  });

  /** Does what Python's `site` does, with these folders as all there are. */
  const start = () => {
    // Loaded first, since nothing is found any more afterwards.
    const script = `import atexit, errno, os, socket, sys, weakref
sys.path[:] = sys.argv[1:]
import sitecustomize
print("started with", sitecustomize.__file__)`;
    const env = { ...process.env, SANDPIPER_PORTS: machines };
    const { stdout, stderr } = spawnSync('python3', ['-S', '-c', script, ours, machines], {
      encoding: 'utf8',
      env,
    });
    return { stdout: stdout.trim(), stderr };
  };

  test('is no error on a machine that has nothing of its own', () => {
    expect(start()).toEqual({ stdout: `started with ${join(ours, 'sitecustomize.py')}`, stderr: '' });
  });

  test('leaves its turn to what the machine has of its own', () => {
    writeFileSync(join(machines, 'sitecustomize.py'), 'print("of the machine")');
    expect(start()).toEqual({
      stdout: `of the machine\nstarted with ${join(machines, 'sitecustomize.py')}`,
      stderr: '',
    });
  });

  test('does not hide what goes wrong there', () => {
    writeFileSync(join(machines, 'sitecustomize.py'), 'import nothing_of_the_kind');
    expect(start().stderr).toContain("No module named 'nothing_of_the_kind'");
  });
});
