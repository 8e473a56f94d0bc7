import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll } from 'vitest';
import type {
  Command,
  Engine,
  EngineProcess,
  EngineSandbox,
  ExitStatus,
  Image,
  Limits,
  StartOptions,
} from '../engine.js';

/** Limits that harm no machine, whatever runs in the sandbox. */
export const smallLimits: Limits = { cpuCount: 1, memoryMB: 128, pids: 64 };

/** An engine that a test can put an end to; its sandboxes must have been destroyed. */
export type ClosableEngine = Engine & { close(): Promise<void> };

/** Starts an engine that keeps what it has to keep in this directory. */
export type StartEngine<E extends ClosableEngine = ClosableEngine> = (directory: string) => Promise<E>;

/** An engine for a test file, and sandboxes of it. */
export interface EngineFixture<E extends ClosableEngine = ClosableEngine> {
  readonly engine: E;
  readonly directory: string;
  /** @param options.id - Default: one that no other sandbox has. */
  start(
    limits?: Limits,
    options?: Partial<StartOptions> & { id?: string; image?: Image },
  ): Promise<EngineSandbox>;
}

/** An engine proves at its start what it enforces, which takes its time on a busy machine. */
const hookTimeoutMs = 90_000;

let started = 0;

/** Starts an engine before the tests of a file and closes it, with all its sandboxes, after them. */
export function useEngine<E extends ClosableEngine>(startEngine: StartEngine<E>): EngineFixture<E> {
  const sandboxes: EngineSandbox[] = [];
  let directory: string;
  let engine: E;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'engine-'));
    engine = await startEngine(directory);
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
    get directory() {
      return directory;
    },
    async start(limits = smallLimits, { id = `test${process.pid}x${++started}`, image, ...options } = {}) {
      const sandbox = await engine.start(id, image ?? engine.baseImage, {
        limits,
        network: { internet: true, allowOut: [], denyOut: [] },
        ...options,
      });
      sandboxes.push(sandbox);
      return sandbox;
    },
  };
}

/** Where programs lie in sandboxes, in those without files of their own too. */
export const searchPath: string = [
  '/opt/node/bin',
  dirname(process.execPath),
  '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
].join(':');

/** Runs a script in a sandbox to its end, in the home of `user`. */
export async function runIn(
  sandbox: EngineSandbox,
  script: string,
  user: 'user' | 'root' = 'user',
): Promise<ExitStatus & { output: string }> {
  const env = { PATH: searchPath, HOME: '/home/user' };
  const child = await startBash(sandbox, script, { env, cwd: '/', user });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
  return { ...status, output: stdout + stderr };
}

/** Starts a script as the user of a sandbox, without input. */
export function startBash(
  sandbox: EngineSandbox,
  script: string,
  command: Partial<Command> = {},
): Promise<EngineProcess> {
  return sandbox.exec({
    cmd: '/bin/bash',
    args: ['-c', script],
    env: { PATH: searchPath },
    cwd: '/home/user',
    user: 'user',
    stdin: false,
    ...command,
  });
}
