import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { SandboxFiles } from '@sandpiper/sandbox-engine/files';
import { localFiles } from '@sandpiper/sandbox-engine/local/files/local-files';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';

const root = '/tmp';

/** Where a sandbox's directory says what was made for it in the machine's `/tmp`, so that the next host finds it too. */
const listOf = (directory: string): string => join(directory, 'run/sandpiper/made-in-tmp.jsonl');

/**
 * `/tmp` of a sandbox without namespaces. Its programs have the machine's, so the files API has it too; what was made
 * there through the API ends with the sandbox. What programs made there themselves is not known; `TMPDIR` leads them
 * to the sandbox's own directory.
 */
export class MachineTmp {
  readonly files: SandboxFiles;

  constructor(directory: string) {
    const inner = localFiles('/', undefined);
    /** Notes the topmost part of a path that is not there yet. */
    const note = (path: string): void => {
      const [name = ''] = posix
        .normalize(path)
        .slice(root.length + 1)
        .split('/');
      const top = join(root, name);
      if (name !== '' && !existsSync(top)) appendFileSync(listOf(directory), `${JSON.stringify(top)}\n`);
    };
    this.files = {
      ...inner,
      write: (path, ...rest) => {
        note(path);
        return inner.write(path, ...rest);
      },
      makeDirectory: (path, owner) => {
        note(path);
        return inner.makeDirectory(path, owner);
      },
      move: (from, to, owner) => {
        if (isInTmp(to)) note(to);
        return inner.move(from, to, owner);
      },
    };
  }
}

/** Whether a path of a sandbox is in `/tmp`, or is it. */
export function isInTmp(path: string): boolean {
  const plain = posix.normalize(path);
  return plain === root || plain.startsWith(`${root}/`);
}

/** Removes what was made in `/tmp` for the sandbox of a directory. */
export async function removeMadeInTmp(directory: string, remove: Remove): Promise<void> {
  const list = listOf(directory);
  if (!existsSync(list)) return;
  const lines = readFileSync(list, 'utf8').split('\n').filter(Boolean);
  for (const line of lines) await remove(JSON.parse(line) as string);
}
