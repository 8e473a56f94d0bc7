import { readFile } from 'node:fs/promises';
import { writeFileAtomically } from '@sandpiper/sandbox-engine/write-file-atomically';
import { namedFileError } from './named-file-error.js';

/** What a file holds; when it is not there, what is made now and kept for the next time, for this user's eyes only. */
export async function readOrCreate(path: string, make: () => string | Promise<string>): Promise<string> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    if (text !== '') return text;
    throw new Error(
      `${path} is empty, so it is damaged: put back what it held, or remove it to have another made.`,
    );
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      throw namedFileError(path, error);
  }
  const text = await make();
  await writeFileAtomically(path, `${text.trim()}\n`, { flush: true });
  return text.trim();
}
