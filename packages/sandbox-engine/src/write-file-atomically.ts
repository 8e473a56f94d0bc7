import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a small file, readable by this user only: a host that is killed meanwhile leaves it as it was before.
 *
 * @param options.flush - Whether it outlives the machine, too; what describes running processes need not. Default: false.
 */
export async function writeFileAtomically(
  path: string,
  text: string,
  { flush = false }: { flush?: boolean } = {},
): Promise<void> {
  const part = `${path}.new`;
  const file = await open(part, 'w', 0o600);
  try {
    await file.writeFile(text);
    if (flush) await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  if (flush) await syncDirectory(dirname(path));
}

/** A name is part of its directory, and is on the disk when that is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
