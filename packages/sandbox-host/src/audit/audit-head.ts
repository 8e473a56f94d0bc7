import { writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { headName } from './audit-files.js';
import type { ChainEnd } from './audit-line.js';

/** Between which lines a log lies: kept beside it, since a chain alone cannot tell that its ends were cut off. */
export interface AuditHead {
  /** What comes before the oldest line that is kept. */
  before: ChainEnd;
  last: ChainEnd;
}

const end = z.object({ seq: z.int().min(0), hash: z.string().length(64) });
const headSchema: z.ZodType<AuditHead> = z.object({ before: end, last: end });

/** Reads the head of a log. @returns undefined when there is none that can be read. */
export async function readHead(directory: string): Promise<AuditHead | undefined> {
  try {
    return headSchema.safeParse(JSON.parse(await readFile(join(directory, headName), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Writes a head over the one before, in one go and always of the same length. */
export function writeHead(file: number, head: AuditHead): void {
  writeSync(file, `${JSON.stringify(head)}\n`.padEnd(256), 0);
}
