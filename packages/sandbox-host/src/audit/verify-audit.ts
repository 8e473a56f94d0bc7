import { join } from 'node:path';
import { currentName, headName, listFiles, readLines } from './audit-files.js';
import { readHead } from './audit-head.js';
import { beginning, type ChainEnd, isAsWritten, parseLine } from './audit-line.js';

/** One place at which an audit log is not as it was written. */
export interface AuditProblem {
  /** The file, and the line in it, counted from 1. */
  file: string;
  line: number;
  problem: string;
}

/** What a check of an audit log has found. */
export interface AuditVerdict {
  /** Whether every line is there, in its place and as it was written. */
  valid: boolean;
  /** How many lines there are. */
  lines: number;
  /** The number of the last line, and its hash: kept elsewhere, it proves later that nothing before it was changed. */
  seq: number;
  hash: string;
  /** The first of them, twenty at most. */
  problems: AuditProblem[];
}

const problemsTold = 20;

/**
 * Checks the audit log in a host's data directory: finds lines that were edited, removed, moved, added or cut off,
 * by any program. Half a line that a host left that was killed while it wrote is no fault.
 *
 * @param directory - The host's `dataDir`. The host may be running.
 * @throws Error when the directory cannot be read.
 *
 * @example
 * ```ts
 * const { valid, problems } = await verifyAudit('/var/lib/sandpiper');
 * ```
 */
export async function verifyAudit(directory: string): Promise<AuditVerdict> {
  const head = await readHead(directory);
  const problems: AuditProblem[] = [];
  const say = (file: string, line: number, problem: string): void => {
    if (problems.length < problemsTold) problems.push({ file, line, problem });
  };
  let end: ChainEnd = head?.before ?? beginning;
  let atHead = head?.before;
  let lines = 0;
  let unread: { file: string; index: number } | undefined;
  const tellUnread = (): void => {
    if (unread) say(unread.file, unread.index, 'This is not a line of an audit log.');
    unread = undefined;
  };
  for (const file of await listFiles(directory)) {
    let index = 0;
    for await (const text of readLines(join(directory, file))) {
      index += 1;
      tellUnread();
      const line = parseLine(text);
      if (!line) {
        unread = { file, index };
        continue;
      }
      // What a host that was killed had no time to remove.
      if (head && line.seq <= head.before.seq) continue;
      lines += 1;
      if (!isAsWritten(text)) say(file, index, `Line ${line.seq} was changed.`);
      if (line.seq !== end.seq + 1) {
        say(file, index, `Line ${line.seq} follows line ${end.seq}: lines were removed, added or moved.`);
      } else if (line.prev !== end.hash) {
        say(file, index, `Line ${line.seq} was not written after this line ${end.seq}.`);
      }
      end = { seq: line.seq, hash: line.hash };
      if (line.seq === head?.last.seq) atHead = end;
    }
  }
  const isWhole = head !== undefined && atHead?.hash === head.last.hash;
  // Half a line behind the last one that counts was never a line: its host was killed while it wrote it.
  if (!isWhole || unread?.file !== currentName) tellUnread();
  if (!head) {
    if (lines > 0)
      say(headName, 1, 'Where the log ends is not known: the file is missing or cannot be read.');
  } else if (!isWhole) {
    say(currentName, 0, `The log ended with line ${head.last.seq}; now it ends with line ${end.seq}.`);
  }
  return { valid: problems.length === 0, lines, ...end, problems };
}
