import { createReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';

export const currentName = 'audit.jsonl';
export const headName = 'audit.head';

/** More than any line has. */
const longestLine = 8 * 1024;

/** The name of a file that is full, by the number of its first line: names sort as their lines do. */
export function fullName(firstSeq: number): string {
  return `audit-${String(firstSeq).padStart(12, '0')}.jsonl`;
}

/** The files of a log, oldest first; the one that is written to is the last, and not there before its first line. */
export async function listFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  const full = names.filter((name) => /^audit-\d{12,}\.jsonl$/.test(name)).sort();
  return names.includes(currentName) ? [...full, currentName] : full;
}

/** The lines of a file, without their breaks; what follows the last break is one, too. */
export async function* readLines(path: string): AsyncGenerator<string, void> {
  let rest = '';
  // Not by node:readline, for which other characters break lines, too: some may stand in a text.
  for await (const piece of createReadStream(path, 'utf8')) {
    const lines = `${rest}${piece}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** The last line of a file that has its break, and how many bytes without one follow it. */
export async function readTail(path: string): Promise<{ line: string | undefined; torn: number }> {
  const file = await open(path).catch(() => undefined);
  if (!file) return { line: undefined, torn: 0 };
  try {
    const { size } = await file.stat();
    const length = Math.min(size, 2 * longestLine);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const end = buffer.lastIndexOf('\n');
    if (end < 0) return { line: undefined, torn: length };
    const begin = end === 0 ? 0 : buffer.lastIndexOf('\n', end - 1) + 1;
    return { line: buffer.toString('utf8', begin, end), torn: length - end - 1 };
  } finally {
    await file.close();
  }
}
