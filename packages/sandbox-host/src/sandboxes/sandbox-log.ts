/** A line of a sandbox's log. */
export interface LogLine {
  timestamp: Date;
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
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

  lines(): readonly LogLine[] {
    return this.#lines;
  }
}
