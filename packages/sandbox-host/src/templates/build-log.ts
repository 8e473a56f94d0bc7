import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import type { BuildLogEntry } from './template.js';

/** How much of a build's log is kept. */
export interface BuildLogLimits {
  /** Bytes of the file after which only the end of each step is kept. */
  bytes: number;
  /** Lines that are always kept of the end of a step, and their bytes. */
  lastLines: number;
  lastBytes: number;
}

/** A build has at most 1,000 steps, so a log is at most 2 MiB and the ends of its steps. */
const defaultLimits: BuildLogLimits = { bytes: 2 * 2 ** 20, lastLines: 200, lastBytes: 64 * 1024 };

/**
 * Writes the log of one build: JSON lines in a file that only grows, so that a line keeps its number and a reader can
 * follow by numbers. When the file is long, lines wait in memory; at the end of the step the last of them are written, after
 * one line that says how many were dropped.
 */
export class BuildLog {
  readonly #limits: BuildLogLimits;
  #bytes = 0;
  /** What is written next, together: a write of its own for each line would take most of the time. */
  #unwritten = '';
  #writing: NodeJS.Immediate | undefined;
  #isLong = false;
  /** What may turn out to be the end of a step, oldest first. */
  #waiting: { at: number; level: BuildLogEntry['level']; message: string }[] = [];
  #dropped = 0;

  constructor(
    private readonly path: string,
    private readonly logger: Logger,
    limits: Partial<BuildLogLimits> = {},
  ) {
    this.#limits = { ...defaultLimits, ...limits };
  }

  add(level: BuildLogEntry['level'], message: string): void {
    if (this.#isLong) {
      this.#wait(level, message);
      return;
    }
    this.#write(level, message);
    if (this.#bytes < this.#limits.bytes) return;
    this.#isLong = true;
    this.#note(
      `The log is longer than ${this.#limits.bytes} bytes: of the rest only the last lines of each step are kept, when it ends.`,
    );
  }

  /** Writes what is kept of the end of a step. */
  endStep(): void {
    const { lastLines, lastBytes } = this.#limits;
    let bytes = 0;
    const first = this.#waiting.findLastIndex(({ message }) => {
      bytes += message.length;
      return bytes > lastBytes;
    });
    // The last line is kept, however long it is.
    const from = Math.max(Math.min(first + 1, this.#waiting.length - 1), this.#waiting.length - lastLines, 0);
    const dropped = this.#dropped + from;
    if (dropped > 0) this.#note(`${dropped} lines were dropped here.`);
    for (const { at, level, message } of this.#waiting.slice(from)) this.#write(level, message, at);
    this.#waiting = [];
    this.#dropped = 0;
    this.#flush();
  }

  #note(message: string): void {
    this.#write('warn', message);
  }

  #wait(level: BuildLogEntry['level'], message: string): void {
    const { lastLines } = this.#limits;
    this.#waiting.push({ at: Date.now(), level, message });
    // Now and then, since each time moves all that stay.
    if (this.#waiting.length < 2 * lastLines) return;
    this.#waiting.splice(0, lastLines);
    this.#dropped += lastLines;
  }

  #write(level: BuildLogEntry['level'], message: string, at: number = Date.now()): void {
    const entry: BuildLogEntry = { timestamp: new Date(at).toISOString(), level, message };
    const line = `${JSON.stringify(entry)}\n`;
    this.#bytes += Buffer.byteLength(line);
    this.#unwritten += line;
    this.#writing ??= setImmediate(() => this.#flush());
  }

  /** A log that the disk does not take is no reason for the build to fail. */
  #flush(): void {
    clearImmediate(this.#writing);
    this.#writing = undefined;
    const bytes = Buffer.from(this.#unwritten);
    this.#unwritten = '';
    if (bytes.length === 0) return;
    try {
      appendWhole(this.path, bytes);
    } catch (error) {
      this.logger.error({ err: error }, `${bytes.length} bytes of the log ${this.path} could not be written`);
    }
  }
}

/** Appends all of it or nothing: half a line would make one with the next. */
function appendWhole(path: string, bytes: Buffer): void {
  const file = openSync(path, 'a', 0o600);
  try {
    const { size } = fstatSync(file);
    try {
      for (let sent = 0; sent < bytes.length; ) sent += writeSync(file, bytes, sent);
    } catch (error) {
      ftruncateSync(file, size);
      throw error;
    }
  } finally {
    closeSync(file);
  }
}
