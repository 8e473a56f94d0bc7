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

/** What happened in and to a sandbox: the last lines of it. */
export class SandboxLog {
  readonly #lines: LogLine[] = [];

  add(level: LogLine['level'], message: string): void {
    this.#lines.push({ timestamp: new Date(), level, message: message.slice(0, lineLength) });
    if (this.#lines.length > linesKept) this.#lines.shift();
  }

  /** Takes in what a server writes, to its end. @returns how it ended. */
  async follow(output: ProcessOutput): Promise<string> {
    for await (const event of output.read(new AbortController().signal)) {
      if (event.type === 'end') {
        const ended = event.status.signal ?? `exit code ${event.status.code}`;
        this.add('warn', `The start command ended: ${ended}`);
        return ended;
      }
      const text = Buffer.from(event.data).toString('utf8').trimEnd();
      for (const line of text.split('\n')) this.add(event.type === 'stderr' ? 'error' : 'info', line);
    }
    return 'unknown';
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
