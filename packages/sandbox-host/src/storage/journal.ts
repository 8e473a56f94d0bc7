import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { namedFileError } from './named-file-error.js';

/** Records of one kind, by their id, in the order in which they were first put. */
export interface Collection<T> {
  get(id: string): T | undefined;
  /** Keeps a record as it is now; later changes to it are kept by putting it again. */
  put(id: string, record: T): void;
  /** Keeps what a record is to be, and then has it become that: where the disk does not take it, nothing has changed. */
  change(id: string, next: T, apply: () => void): void;
  delete(id: string): boolean;
  values(): IterableIterator<T>;
}

/** A collection that outlives its process. */
export interface Journal<T> extends Collection<T> {
  close(): void;
}

/** The form of the lines. A later one is to come with the step that leads to it from here. */
const version = 1;
const headSchema = z.object({ journal: z.string(), version: z.int(), lines: z.int().optional() });
const lineSchema = z.union([
  z.object({ put: z.string(), record: z.unknown() }),
  z.object({ delete: z.string() }),
]);

/** How a journal is kept. */
export interface JournalOptions {
  /**
   * Whether a change waits until it is on the disk, and so outlives the machine, or only until the system has it,
   * and so outlives the process. Default: true, and then the file says how many lines it has, so that a shorter one is
   * known to be damaged.
   */
  flush?: boolean;
}

/** This many lines are past before a file is written again while it is in use. */
const pastLines = 1_000;
/** Digits for a count of lines. */
const countWidth = 12;

/**
 * Opens a collection that is kept in a file of JSON lines: what it is made of, in the order it happened. A change
 * is kept before it is seen, and a process that is killed at any moment leaves at most half a line, which is
 * dropped; the count of lines in the first one is never ahead of what is on the disk (ADR 26). Opening writes the file again, without what is past, and so does every so many changes.
 *
 * @throws Error when the file is not such a journal, or from a later version.
 */
export function openJournal<T>(
  path: string,
  name: string,
  schema: z.ZodType<T>,
  { flush = true }: JournalOptions = {},
): Journal<T> {
  const records = read(path, name, schema);
  let file = rewrite(path, name, records, flush);
  let lines = records.size;
  const append = (change: unknown, apply: () => void): void => {
    file.append(line(change));
    if (flush) fdatasyncSync(file.descriptor);
    apply();
    lines += 1;
    if (flush) file.count(head(name, lines));
    if (lines < 2 * records.size + pastLines) return;
    lines = records.size;
    try {
      const again = rewrite(path, name, records, flush);
      file.close();
      file = again;
    } catch {
      // The disk is full, say: the long file holds the same.
    }
  };
  return {
    get: (id) => records.get(id),
    put: (id, record) => append({ put: id, record }, () => records.set(id, record)),
    change: (id, next, apply) => append({ put: id, record: next }, apply),
    delete(id) {
      if (!records.has(id)) return false;
      append({ delete: id }, () => records.delete(id));
      return true;
    },
    values: () => records.values(),
    close: () => file.close(),
  };
}

/** Writes what there is now into a file of its own, which then takes the place of the one before. */
function rewrite(path: string, name: string, records: Map<string, unknown>, flush: boolean): LineFile {
  const part = `${path}.new`;
  const file = openLineFile(part);
  try {
    file.append(head(name, flush ? records.size : undefined));
    for (const [id, record] of records) file.append(line({ put: id, record }));
    fdatasyncSync(file.descriptor);
    // The descriptor follows the file to its new name, so further lines go to its end.
    renameSync(part, path);
    // Or what is appended from here on would be gone with the new name, if the machine stopped.
    if (flush) syncDirectory(dirname(path));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A file that grows by whole lines. */
interface LineFile {
  descriptor: number;
  append(text: string): void;
  /** Writes the first line again, in the same length. Where that fails the count stays behind, which does no harm. */
  count(head: string): void;
  close(): void;
}

function openLineFile(path: string): LineFile {
  const descriptor = openSync(path, 'w', 0o600);
  let size = 0;
  let isOpen = true;
  return {
    descriptor,
    append(text) {
      // Its number may be another file's by now.
      if (!isOpen) throw new Error('The journal is closed.');
      const bytes = Buffer.from(text);
      try {
        for (let sent = 0; sent < bytes.length; )
          sent += writeSync(descriptor, bytes, sent, bytes.length - sent, size + sent);
      } catch (error) {
        // Half a line would make one with the next, which nobody could read.
        ftruncateSync(descriptor, size);
        throw error;
      }
      size += bytes.length;
    },
    count(head) {
      try {
        writeSync(descriptor, head, 0);
      } catch {
        // The lines themselves are on the disk.
      }
    },
    close() {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}

function read<T>(path: string, name: string, schema: z.ZodType<T>): Map<string, T> {
  const records = new Map<string, T>();
  const text = readIfThere(path);
  if (text === undefined) return records;
  if (text === '') {
    throw new Error(
      `${path} is empty, so it is damaged: put back a copy, or remove it to begin without ${name}; what it named is then put aside.`,
    );
  }
  // What follows the last line break was being written when its process ended.
  const [first = '', ...rest] = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
  const head = headSchema.safeParse(parse(first));
  if (!head.success || head.data.journal !== name) throw new Error(`${path} is not a journal of ${name}.`);
  if (head.data.version > version) {
    throw new Error(`${path} was written by a later version of the sandbox host; use that one.`);
  }
  // Journals of before there was a count say none.
  const { lines: counted = 0 } = head.data;
  if (rest.length < counted) {
    throw new Error(
      `${path} has ${rest.length} of its ${counted} lines, so it is damaged: put back a copy, or remove it to begin without ${name}; what it named is then put aside.`,
    );
  }
  for (const [index, one] of rest.entries()) {
    const change = lineSchema.safeParse(parse(one));
    if (!change.success) throw new Error(`${path}, line ${index + 2}: is not a change of a journal.`);
    if ('delete' in change.data) records.delete(change.data.delete);
    else {
      const record = schema.safeParse(change.data.record);
      if (!record.success) throw new Error(`${path}, line ${index + 2}: ${z.prettifyError(record.error)}`);
      records.set(change.data.put, record.data);
    }
  }
  return records;
}

/** The first line, always of the same length for a name. @param lines - How many follow; undefined where that is not kept. */
function head(name: string, lines: number | undefined): string {
  if (lines === undefined) return line({ journal: name, version });
  return `{"journal":${JSON.stringify(name)},"version":${version},"lines":${String(lines).padEnd(countWidth)}}\n`;
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw namedFileError(path, error);
  }
}
