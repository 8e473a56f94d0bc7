import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { HostError } from '../host-error.js';
import { startChild } from './start-child.js';
import { toolEnvironment } from './tool-environment.js';

/** What is kept of what a tool says went wrong, in characters. */
const errorsKept = 4_000;

/** Quotes text so that a POSIX shell takes it as one word, whatever is in it. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Runs a tool of the host's to its end. @throws with the tool's stderr when it fails. */
export async function run(file: string, ...args: string[]): Promise<string> {
  const child = await startChild(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: toolEnvironment() });
  let [output, errors] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-errorsKept);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return output;
  throw new Error(`${file} failed (${signal ?? `exit code ${code}`}): ${args.join(' ')}\n${errors}`);
}

/**
 * Runs a tool that something needs, to see whether it can be used.
 *
 * @param debianPackage - What to install where there is none.
 * @throws Error with why not; HostError 503 when the machine has no room for a process just now.
 */
export async function requireTool(debianPackage: string, tool: string, ...args: string[]): Promise<void> {
  try {
    await run(tool, ...args);
  } catch (error) {
    if (error instanceof HostError) throw error;
    const options = { cause: error };
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new Error(`${tool} is missing (Debian: ${debianPackage})`, options);
    throw new Error(`${tool} does not run (${failureText(error)})`, options);
  }
}

/** What a tool said of its failure, without the command. */
export function failureText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [, ...said] = text.split('\n');
  return said.join(' ').trim() || text.trim();
}

/** Copies what is in one directory into another, with owners, times and attributes; shares blocks where it can. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const share = process.platform === 'linux' ? ['--reflink=auto'] : [];
  await run('cp', '-a', ...share, `${from}/.`, to);
}
