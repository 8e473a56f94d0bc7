import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import type { SandboxFiles } from '@sandpiper/sandbox-engine/files';
import type { FileAttributes } from '@sandpiper/sandbox-engine/local/files/file-attributes';
import { localFiles } from '@sandpiper/sandbox-engine/local/files/local-files';
import type { Remove } from '@sandpiper/sandbox-engine/local/files/trash';

const root = '/tmp';

/** Where it is kept what was made for a sandbox in the machine's `/tmp`, so that the next host finds it too: not in the
 * sandbox's own directory, where the sandbox could name anything. */
const listOf = (directory: string): string =>
  join(directory, '../../made-in-tmp', `${basename(directory)}.jsonl`);

/**
 * `/tmp` of a sandbox without namespaces. Its programs have the machine's, so the files API has it too; what was made
 * there through the API ends with the sandbox. What programs made there themselves is not known; `TMPDIR` leads them
 * to the sandbox's own directory.
 */
export class MachineTmp {
  readonly files: SandboxFiles;

  constructor(directory: string, attributes: FileAttributes) {
    const inner = localFiles('/', undefined, attributes);
    /** Notes the topmost part of a path that is not there yet. */
    const note = (path: string): void => {
      const [name = ''] = posix
        .normalize(path)
        .slice(root.length + 1)
        .split('/');
      const top = join(root, name);
      if (name === '' || existsSync(top)) return;
      mkdirSync(dirname(listOf(directory)), { recursive: true, mode: 0o700 });
      appendFileSync(listOf(directory), `${JSON.stringify(name)}\n`);
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
  for (const line of readFileSync(list, 'utf8').split('\n')) {
    const name = nameIn(line);
    if (name !== undefined) await remove(join(root, name));
  }
  await remove(list);
}

/** What a line names directly below `/tmp`; undefined for half a line, which a host that was killed may leave. */
function nameIn(line: string): string | undefined {
  try {
    const name: unknown = JSON.parse(line);
    return typeof name === 'string' && /^[^/]+$/.test(name) && !/^\.\.?$/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}
