import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
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

/** Copies what is in one directory into another, with owners, times and attributes; shares blocks where it can. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const share = process.platform === 'linux' ? ['--reflink=auto'] : [];
  await run('cp', '-a', ...share, `${from}/.`, to);
}
