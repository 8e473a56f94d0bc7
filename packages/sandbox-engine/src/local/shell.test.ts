import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requireTool } from './shell.js';

describe.skipIf(process.platform === 'win32')('a tool that something needs', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tools-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const tool = (script: string, mode: number): string => {
    const file = join(directory, 'tool');
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, mode);
    return file;
  };

  test('is said to be missing, with its package, when it is not there', async () => {
    await expect(requireTool('some-tools', join(directory, 'none'))).rejects.toThrow(
      /none is missing \(Debian: some-tools\)$/,
    );
  });

  test('is not said to be missing when it fails, but why it fails', async () => {
    await expect(requireTool('some-tools', tool('echo broken >&2; exit 3', 0o755))).rejects.toThrow(
      /tool does not run \(broken\)$/,
    );
  });

  test('is not said to be missing when it may not be run', async () => {
    await expect(requireTool('some-tools', tool('true', 0o644))).rejects.toThrow(
      /tool does not run \(.*EACCES.*\)$/,
    );
  });
});
