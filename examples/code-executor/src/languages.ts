import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** What can be run, each with the program that runs it. */
export const languages = {
  python: { file: 'main.py', program: 'python3', args: ['-u'] },
  node: { file: 'main.mjs', program: 'node', args: [] },
} as const;

/** The machine lacks a program that a run needs. */
class MissingToolError extends Error {
  override readonly name = 'MissingToolError';
  /** Told to the caller as "not implemented": asking again will not help. */
  readonly status = 501;
}

const packages: Record<string, string> = { python3: 'python3', prlimit: 'util-linux', node: 'nodejs' };

/** Finds a program as a shell would. @throws MissingToolError that says what to install. */
export async function findProgram(name: string): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next folder.
    }
  }
  throw new MissingToolError(
    `This machine has no ${name}: install it where sandboxes run (Debian: apt-get install ${packages[name] ?? name}).`,
  );
}
