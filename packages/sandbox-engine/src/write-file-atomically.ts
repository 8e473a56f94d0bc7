import { rename, writeFile } from 'node:fs/promises';

/** Writes a small file, readable by this user only: a host that is killed meanwhile leaves it as it was before. */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const part = `${path}.new`;
  await writeFile(part, text, { mode: 0o600 });
  await rename(part, path);
}
