import { existsSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes the files of a home that shells read, and people and programs add to. */
export async function writeShellFiles(home: string): Promise<void> {
  await writeFile(join(home, '.bashrc'), '# What interactive shells begin with.\n');
  // Read for each command, so it does no more than it has to.
  const profile =
    '# What login shells begin with.\ncase $- in *i*) [ ! -f ~/.bashrc ] || . ~/.bashrc ;; esac\n';
  await writeFile(join(home, '.profile'), profile);
}

/** Lets programs call `python`, as in E2B's sandboxes, where the machine has it as `python3` alone. */
export async function linkPython(directory: string): Promise<void> {
  const places = ['/usr/local/bin', '/usr/bin'];
  if (places.some((place) => existsSync(join(place, 'python')))) return;
  const found = places.map((place) => join(place, 'python3')).find((path) => existsSync(path));
  if (found) await symlink(found, join(directory, 'python'));
}
