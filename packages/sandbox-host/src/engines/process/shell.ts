import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { toolEnvironment } from './tool-environment.js';

const execute = promisify(execFile);

/** Quotes text so that a POSIX shell takes it as one word, whatever is in it. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Runs a tool of the host's to its end. @throws with the tool's stderr when it fails. */
export async function run(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(file, args, { encoding: 'utf8', env: toolEnvironment() });
  return stdout;
}

/** Copies what is in one directory into another, with owners, times and attributes; shares blocks where it can. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const share = process.platform === 'linux' ? ['--reflink=auto'] : [];
  await run('cp', '-a', ...share, `${from}/.`, to);
}
