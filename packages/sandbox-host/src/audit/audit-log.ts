import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { currentName, fullName, headName, listFiles, readLines, readTail } from './audit-files.js';
import { type AuditHead, readHead, writeHead } from './audit-head.js';
import {
  type AuditEntry,
  type AuditLine,
  beginning,
  type ChainEnd,
  formatLine,
  parseLine,
} from './audit-line.js';

/** How much of a log is kept. */
export interface AuditLimits {
  /** A file that has this many bytes is put aside and another begun. Default: 16 MiB. */
  fileBytes: number;
  /** How many files are kept besides the one that is written to. Default: 8. */
  files: number;
  /** How many entries wait while the disk takes none. Default: 1,000. */
  waiting: number;
}

/** What is wanted of a log. */
export interface AuditQuery {
  /** The number of the line before the first one that is wanted. */
  after: number;
  limit: number;
  matches: (line: AuditLine) => boolean;
}

interface FullFile {
  name: string;
  end: ChainEnd;
}

const defaultLimits: AuditLimits = { fileBytes: 16 * 1024 * 1024, files: 8, waiting: 1_000 };
/** A line is on the disk this much later at most; the end of the process alone loses none. */
const flushMs = 1_000;
/** A search gives back what it has after this many lines, and where to go on. */
const mostScanned = 50_000;

/**
 * A log that is only ever added to. Each line holds the hash of the one before, and a small file beside the log says
 * where it begins and ends, so that `verifyAudit` finds every line that was changed, moved or taken away.
 */
export class AuditLog {
  readonly #current: string;
  readonly #headFile: number;
  readonly #timer: NodeJS.Timeout;
  #file: number;
  #bytes: number;
  #isDirty = false;
  #isClosed = false;
  /** What the disk has not taken yet, oldest first, and how many entries there was no place for behind them. */
  readonly #waiting: AuditEntry[] = [];
  #lost = 0;

  private constructor(
    private readonly directory: string,
    private readonly limits: AuditLimits,
    private readonly logger: Logger,
    private readonly full: FullFile[],
    private head: AuditHead,
  ) {
    this.#current = join(directory, currentName);
    this.#file = openSync(this.#current, 'a', 0o600);
    this.#bytes = fstatSync(this.#file).size;
    this.#headFile = openSync(join(directory, headName), 'w', 0o600);
    writeHead(this.#headFile, head);
    this.#timer = setInterval(() => this.#flush(), flushMs);
    this.#timer.unref();
  }

  /** Opens the log of a directory, and says in it what is wrong with its end. */
  static async open(directory: string, logger: Logger, limits: Partial<AuditLimits> = {}): Promise<AuditLog> {
    const current = join(directory, currentName);
    const { line, torn } = await readTail(current);
    if (torn > 0) await truncate(current, (await stat(current)).size - torn);
    const full: FullFile[] = [];
    for (const name of await listFiles(directory)) {
      if (name === currentName) continue;
      full.push({ name, end: endOf((await readTail(join(directory, name))).line) ?? beginning });
    }
    const last = endOf(line) ?? full.at(-1)?.end ?? beginning;
    const known = await readHead(directory);
    // Where lines are missing that had been written, the chain goes on from these: the gap stays to be seen.
    const isCut = known !== undefined && (known.last.seq > last.seq || isOther(known.last, last));
    const log = new AuditLog(directory, { ...defaultLimits, ...limits }, logger, full, {
      before: known?.before ?? beginning,
      last: isCut ? known.last : last,
    });
    const say = (outcome: string, reason: string): void =>
      log.append({ actor: 'host', action: 'audit.open', outcome, reason });
    if (isCut) say('damaged', `The log ended with line ${known.last.seq}; line ${last.seq} was found there.`);
    else if (known && last.seq > known.last.seq + 1)
      say('damaged', `The log ended with line ${known.last.seq}; there are lines behind it.`);
    else if (!known && last.seq > 0) say('damaged', `The file ${headName} is missing or cannot be read.`);
    if (torn > 0) say('repaired', `The host ended while it wrote: ${torn} bytes of a line were removed.`);
    return log;
  }

  /**
   * Adds a line. What the disk does not take waits for a second try, with all that comes after it: a host whose disk
   * is full has to be able to end sandboxes.
   */
  append(entry: AuditEntry): void {
    // The number of its file may be another's by now.
    if (this.#isClosed) throw new Error('The audit log is closed.');
    if (this.#waiting.length === 0 && this.#write(entry)) return;
    if (this.#waiting.length === 0 && this.#lost === 0)
      this.logger.error(
        'The audit log cannot be written: the disk may be full. What is decided waits in memory.',
      );
    if (this.#waiting.length < this.limits.waiting)
      this.#waiting.push({ time: new Date().toISOString(), ...entry });
    else this.#lost += 1;
  }

  /** Where the log ends now. */
  get end(): ChainEnd {
    return this.head.last;
  }

  /** Lines that match, oldest first, and the number to go on from where there may be more. */
  async read({ after, limit, matches }: AuditQuery): Promise<{ lines: AuditLine[]; next?: number }> {
    const lines: AuditLine[] = [];
    const { seq: last } = this.end;
    let scanned = 0;
    const full = this.full.filter(({ end }) => end.seq > after).map(({ name }) => name);
    for (const name of [...full, currentName]) {
      for await (const text of readLines(join(this.directory, name))) {
        const line = parseLine(text);
        if (!line || line.seq <= after || line.seq > last) continue;
        if (matches(line)) lines.push(line);
        scanned += 1;
        if (lines.length < limit && scanned < mostScanned) continue;
        return line.seq < last ? { lines, next: line.seq } : { lines };
      }
    }
    return { lines };
  }

  /** Does nothing a second time. */
  close(): void {
    if (this.#isClosed) return;
    clearInterval(this.#timer);
    this.#writeWaiting();
    const unwritten = this.#waiting.length + this.#lost;
    if (unwritten > 0) this.logger.error(`The audit log ends without the last ${unwritten} decisions.`);
    fdatasyncSync(this.#file);
    closeSync(this.#file);
    closeSync(this.#headFile);
    this.#isClosed = true;
  }

  /** @returns whether the whole line is in the file, and nothing of it otherwise. */
  #write(entry: AuditEntry): boolean {
    const { text, end } = formatLine(entry, this.head.last);
    const line = Buffer.from(`${text}\n`);
    const head = { ...this.head, last: end };
    try {
      if (writeSync(this.#file, line) !== line.length) throw new Error('there was room for a part only');
      writeHead(this.#headFile, head);
    } catch {
      ftruncateSync(this.#file, this.#bytes);
      return false;
    }
    this.#bytes += line.length;
    this.head = head;
    this.#isDirty = true;
    if (this.#bytes >= this.limits.fileBytes) {
      try {
        this.#turnPage();
      } catch (error) {
        // The line is written, and the next one tries again.
        this.logger.error(
          { err: error },
          'The audit log cannot be put aside, or its oldest file not removed',
        );
      }
    }
    return true;
  }

  #writeWaiting(): void {
    for (let next = this.#waiting[0]; next && this.#write(next); next = this.#waiting[0])
      this.#waiting.shift();
    if (this.#lost === 0 || this.#waiting.length > 0) return;
    const reason = `The disk took nothing: ${this.#lost} decisions were not written down.`;
    if (this.#write({ actor: 'host', action: 'audit.write', outcome: 'damaged', reason })) this.#lost = 0;
  }

  #flush(): void {
    this.#writeWaiting();
    if (!this.#isDirty) return;
    this.#isDirty = false;
    fdatasync(this.#file, () => {});
  }

  /** Puts the file aside, begins another, and lets the oldest go. */
  #turnPage(): void {
    const name = fullName((this.full.at(-1)?.end ?? this.head.before).seq + 1);
    const path = join(this.directory, name);
    renameSync(this.#current, path);
    const ended = this.#file;
    try {
      this.#file = openSync(this.#current, 'a', 0o600);
    } catch {
      // No room for another: the next line tries again.
      renameSync(path, this.#current);
      return;
    }
    fdatasyncSync(ended);
    closeSync(ended);
    this.#bytes = 0;
    this.full.push({ name, end: this.head.last });
    while (this.full.length > this.limits.files) {
      const oldest = this.full.shift();
      if (!oldest) break;
      this.head = { ...this.head, before: oldest.end };
      writeHead(this.#headFile, this.head);
      rmSync(join(this.directory, oldest.name), { force: true });
    }
  }
}

function endOf(text: string | undefined): ChainEnd | undefined {
  const line = text === undefined ? undefined : parseLine(text);
  return line && { seq: line.seq, hash: line.hash };
}

function isOther(known: ChainEnd, found: ChainEnd): boolean {
  return known.seq === found.seq && known.hash !== found.hash;
}
