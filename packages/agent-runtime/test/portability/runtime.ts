import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A JavaScript runtime beside Node, or why this machine has none. */
export type Runtime = { readonly program: string } | { readonly reason: string };

/** A server under test. */
export interface Running {
  readonly url: string;
  stop(): Promise<void>;
}

const installed = fileURLToPath(new URL('runtimes/node_modules/', import.meta.url));

/**
 * Finds a runtime's program in the one package of its scope that fits this platform.
 *
 * @param path - Where in that package it is; each platform's package has another name, but not another path.
 */
export function findRuntime(scope: string, path: string): Runtime {
  const folder = `${installed}${scope}`;
  const packages = existsSync(folder) ? readdirSync(folder) : [];
  const program = packages.map((name) => `${folder}/${name}/${path}`).find((file) => existsSync(file));
  if (!program) {
    return { reason: 'not installed: node packages/agent-runtime/test/portability/runtimes/install.mjs' };
  }
  try {
    execFileSync(program, ['--version']);
    return { program };
  } catch (error) {
    return { reason: `does not run on this machine: ${error instanceof Error ? error.message : error}` };
  }
}

/** Starts a program and waits until it says on which port it listens. */
export async function startServer(
  program: string,
  args: readonly string[],
  listening: RegExp,
): Promise<Running> {
  const child = spawn(program, args, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const ended = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  let output = '';
  const port = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk;
      const found = listening.exec(output)?.[1];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    void ended.then(() => reject(new Error(`${program} ended before it listened:\n${output}`)));
  });
  return { url: `http://127.0.0.1:${port}`, stop };
}
