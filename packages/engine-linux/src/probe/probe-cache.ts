import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import type { Findings } from './probe-sandbox.js';

const finding: z.ZodOptional<z.ZodString> = z.string().optional();
const findingsSchema: z.ZodType<Findings> = z.strictObject({
  isolation: finding,
  limits: finding,
  disk: finding,
  network: finding,
  freeze: finding,
  hibernate: finding,
  checkpoint: finding,
});

/**
 * What a probe found before under a key; undefined when none did, or when what is there may be somebody else's: every
 * user of a machine can write to its temporary directory.
 */
export async function recallFindings(key: string): Promise<Findings | undefined> {
  const directory = cacheDirectory();
  const file = join(directory, `${key}.json`);
  if (!(await isOurs(directory)) || !(await isOurs(file))) return undefined;
  try {
    return findingsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Keeps what a probe has found; where that cannot be, the next host probes again. */
export async function keepFindings(key: string, findings: Findings): Promise<void> {
  const directory = cacheDirectory();
  await mkdir(directory, { mode: 0o700 }).catch(() => {});
  if (!(await isOurs(directory))) return;
  const made = join(directory, randomUUID());
  try {
    await writeFile(made, JSON.stringify(findings), { mode: 0o600, flag: 'wx' });
    await rename(made, join(directory, `${key}.json`));
  } catch {
    // It is kept by nobody.
  }
}

function cacheDirectory(): string {
  return join(tmpdir(), `sandpiper-probe-${process.getuid?.() ?? 'user'}`);
}

/** Whether it is ours and nobody else could have written to it. */
async function isOurs(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (!found || found.isSymbolicLink()) return false;
  return found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}
