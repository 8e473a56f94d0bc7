import { readFile, writeFile } from 'node:fs/promises';

/** What a file holds; when it is not there, what is made now and kept for the next time, for this user's eyes only. */
export async function keptFile(path: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const text = await make();
  await writeFile(path, `${text.trim()}\n`, { mode: 0o600, flag: 'wx' });
  return text.trim();
}
