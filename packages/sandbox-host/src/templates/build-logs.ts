import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { BuildLog, type BuildLogLimits } from './build-log.js';
import type { BuildLogEntry } from './template.js';

/** The place of every such line is remembered. */
const linesPerMark = 100;
const linesPerPage = 1_000;
const chunkBytes = 64 * 1024;
/** Of how many logs it is remembered where lines begin. */
const indexesKept = 64;

/** Where lines of a log begin, as far as it has been looked at. */
interface Index {
  bytes: number;
  lines: number;
  /** The byte at which line 0, {@link linesPerMark}, … begins. */
  marks: number[];
}

/** The logs of builds, a file each. */
export class BuildLogs {
  readonly #indexes = new Map<string, Index>();

  constructor(
    private readonly directory: string,
    private readonly logger: Logger,
    private readonly limits: Partial<BuildLogLimits> = {},
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** What is added to the log of a build. */
  open(buildId: string): BuildLog {
    return new BuildLog(this.#path(buildId), this.logger, this.limits);
  }

  /** The lines from number `offset` on. */
  read(buildId: string, { offset, limit }: { offset: number; limit: number }): BuildLogEntry[] {
    const lines = this.#withFile(buildId, (file, index) => {
      lookOver(file, index);
      const wanted = Math.min(limit, index.lines - offset);
      if (wanted <= 0) return [];
      const mark = Math.floor(offset / linesPerMark);
      return readLines(file, {
        from: index.marks[mark] ?? 0,
        to: index.bytes,
        most: (offset % linesPerMark) + wanted,
      }).slice(offset % linesPerMark);
    });
    return (lines ?? []).map((line) => JSON.parse(line) as BuildLogEntry);
  }

  /** The first lines that match; with `backward`, the last ones, last first. */
  search(
    buildId: string,
    { limit, backward }: { limit: number; backward: boolean },
    matches: (entry: BuildLogEntry) => boolean,
  ): BuildLogEntry[] {
    const lines = this.#withFile(buildId, (file, index) => {
      lookOver(file, index);
      return index.lines;
    });
    const pages = Array.from({ length: Math.ceil((lines ?? 0) / linesPerPage) }, (_, page) => page);
    const found: BuildLogEntry[] = [];
    for (const page of backward ? pages.reverse() : pages) {
      const entries = this.read(buildId, { offset: page * linesPerPage, limit: linesPerPage });
      found.push(...(backward ? entries.reverse() : entries).filter(matches));
      if (found.length >= limit) break;
    }
    return found.slice(0, limit);
  }

  remove(buildId: string): void {
    this.#indexes.delete(buildId);
    rmSync(this.#path(buildId), { force: true });
  }

  /** Removes every log but those of these builds. */
  keepOnly(buildIds: string[]): void {
    const kept = new Set(buildIds.map(nameOf));
    for (const name of readdirSync(this.directory))
      if (!kept.has(name)) rmSync(join(this.directory, name), { recursive: true, force: true });
  }

  #path(buildId: string): string {
    return join(this.directory, nameOf(buildId));
  }

  #withFile<T>(buildId: string, use: (file: number, index: Index) => T): T | undefined {
    let file: number;
    try {
      file = openSync(this.#path(buildId), 'r');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const index = this.#indexes.get(buildId) ?? { bytes: 0, lines: 0, marks: [0] };
      this.#indexes.delete(buildId);
      this.#indexes.set(buildId, index);
      const [oldest] = this.#indexes.keys();
      if (oldest !== undefined && this.#indexes.size > indexesKept) this.#indexes.delete(oldest);
      return use(file, index);
    } finally {
      closeSync(file);
    }
  }
}

function nameOf(buildId: string): string {
  return `${buildId}.jsonl`;
}

/** Finds where lines begin in what has been added since it was last looked at. */
function lookOver(file: number, index: Index): void {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let at = index.bytes; ; ) {
    const read = readSync(file, chunk, 0, chunk.length, at);
    if (read === 0) return;
    for (let end = chunk.indexOf(10); end >= 0 && end < read; end = chunk.indexOf(10, end + 1)) {
      index.lines += 1;
      index.bytes = at + end + 1;
      if (index.lines % linesPerMark === 0) index.marks.push(index.bytes);
    }
    at += read;
  }
}

function readLines(file: number, { from, to, most }: { from: number; to: number; most: number }): string[] {
  const pieces: Buffer[] = [];
  let lines = 0;
  for (let at = from; at < to && lines < most; ) {
    const piece = Buffer.allocUnsafe(Math.min(chunkBytes, to - at));
    const read = readSync(file, piece, 0, piece.length, at);
    if (read === 0) break;
    pieces.push(piece.subarray(0, read));
    for (let end = piece.indexOf(10); end >= 0 && end < read; end = piece.indexOf(10, end + 1)) lines += 1;
    at += read;
  }
  return Buffer.concat(pieces).toString().split('\n').slice(0, Math.min(most, lines));
}
