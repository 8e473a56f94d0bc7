import type { AuditEntry } from './audit-line.js';

/** How long the same decision is counted after it was written once. */
const intervalMs = 10_000;
/** How many kinds of decisions are counted at the same time. */
const mostKinds = 1_000;

/**
 * Writes decisions that may come by the thousand a second: the first of a kind at once, the rest of an interval as
 * one line with their number.
 */
export class DecisionTally {
  readonly #kinds = new Map<string, { entry: AuditEntry; count: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly write: (entry: AuditEntry) => void,
    ms: number = intervalMs,
  ) {
    this.#timer = setInterval(() => this.flush(), ms);
    this.#timer.unref();
  }

  /** @param kind - What makes decisions the same; only the first one's entry is asked for. */
  add(kind: string, describe: () => AuditEntry): void {
    const known = this.#kinds.get(kind);
    if (known) {
      known.count += 1;
      return;
    }
    if (this.#kinds.size >= mostKinds) this.flush();
    const entry = describe();
    this.#kinds.set(kind, { entry, count: 0 });
    this.write(entry);
  }

  /** Writes what has been counted. */
  flush(): void {
    for (const { entry, count } of this.#kinds.values()) {
      if (count > 0) this.write({ ...entry, request: undefined, count });
    }
    this.#kinds.clear();
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}
