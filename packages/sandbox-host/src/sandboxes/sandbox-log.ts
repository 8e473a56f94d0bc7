import { describeExit } from './describe-exit.js';
import { followLines, type OnLine } from './follow-lines.js';
import type { ProcessOutput } from './process-output.js';

/** A line of a sandbox's log. */
export interface LogLine {
  timestamp: Date;
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
}

/** Which lines are wanted. */
export interface LogQuery {
  /** Unix milliseconds. */
  from?: number | undefined;
  /** Unix milliseconds. */
  to?: number | undefined;
  limit?: number;
  /** The last ones first. */
  backward?: boolean;
  matches?: (line: LogLine) => boolean;
}

const linesKept = 1_000;
const lineLength = 4_096;
/** Characters of all of them together. */
const lengthKept = 1024 * 1024;

/** What happened in and to a sandbox: the last lines of it. */
export class SandboxLog {
  readonly #lines: LogLine[] = [];
  #length = 0;

  add(level: LogLine['level'], message: string): void {
    // A copy: a line is a part of what was read with it, and would keep all of that in memory.
    const kept = Buffer.from(message.slice(0, lineLength)).toString();
    this.#lines.push({ timestamp: new Date(), level, message: kept });
    this.#length += kept.length;
    while (this.#lines.length > linesKept || this.#length > lengthKept)
      this.#length -= this.#lines.shift()?.message.length ?? 0;
  }

  /** Takes in what a server writes, to its end. @returns how it ended. */
  async follow(output: ProcessOutput, onLine?: OnLine): Promise<string> {
    const status = await followLines(output, (line, source) => {
      this.add(source === 'stderr' ? 'error' : 'info', line);
      onLine?.(line, source);
    });
    const ended = status.signal ? describeExit(status) : `exit code ${status.code}`;
    this.add('warn', `The start command ended: ${ended}`);
    return ended;
  }

  lines({
    from = 0,
    to = Number.POSITIVE_INFINITY,
    limit = linesKept,
    backward = false,
    matches,
  }: LogQuery = {}): LogLine[] {
    const found = this.#lines.filter(
      (line) =>
        line.timestamp.getTime() >= from && line.timestamp.getTime() <= to && (matches?.(line) ?? true),
    );
    if (backward) found.reverse();
    return found.slice(0, limit);
  }
}
