import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { EngineSandbox, ExitStatus, Limits } from '@sandpiper/sandbox-engine/engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { afterAll, beforeAll } from 'vitest';
import { type OpenEngineOptions, openEngine } from '../src/host/open-engine.js';

/** Limits that harm no machine, whatever runs in the sandbox. */
export const smallLimits: Limits = { cpuCount: 1, memoryMB: 128, pids: 64 };

/** An engine for a test file, and sandboxes of it. */
export interface EngineFixture {
  readonly engine: LocalEngine;
  start(limits?: Limits): Promise<EngineSandbox>;
}

/** An engine proves at its start what it enforces, which takes its time on a busy machine. */
const hookTimeoutMs = 90_000;

let started = 0;

/** Starts an engine before the tests of a file and closes it, with all its sandboxes, after them. */
export function useEngine(options: Omit<OpenEngineOptions, 'directory' | 'logger'> = {}): EngineFixture {
  const sandboxes: EngineSandbox[] = [];
  let directory: string;
  let engine: LocalEngine;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'engine-'));
    engine = await openEngine({ logger: console, ...options, directory });
  }, hookTimeoutMs);
  afterAll(async () => {
    await Promise.all(sandboxes.map((one) => one.destroy()));
    await engine?.close();
    await rm(directory, { recursive: true, force: true });
  }, hookTimeoutMs);
  return {
    get engine() {
      return engine;
    },
    async start(limits = smallLimits) {
      const sandbox = await engine.start(`test${process.pid}x${++started}`, engine.baseImage, {
        limits,
        network: { internet: true, allowOut: [], denyOut: [] },
      });
      sandboxes.push(sandbox);
      return sandbox;
    },
  };
}

/** Runs a script in a sandbox to its end. */
export async function runIn(
  sandbox: EngineSandbox,
  script: string,
  user: 'user' | 'root' = 'user',
): Promise<ExitStatus & { output: string }> {
  const child = await sandbox.exec({
    cmd: '/bin/bash',
    args: ['-c', script],
    env: { PATH: '/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/home/user' },
    cwd: '/',
    user,
    stdin: false,
  });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
  return { ...status, output: stdout + stderr };
}
