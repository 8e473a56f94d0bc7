import type { InvocationState } from '@sandpiper/protocol';

/** What an entry needs of the invocation it records. */
export interface EntryOptions {
  readonly id: string;
  /** What the request was; only for an invocation that the caller gave a key. */
  readonly fingerprint: string | undefined;
  /** Whether its events are kept, for callers that come back or come later. */
  readonly isRecorded: boolean;
  /** How long it goes on while nobody waits for it. */
  readonly graceMs: number;
  /** Stops it: when nobody came back within the grace, or because it was asked to. */
  readonly cancel: (why: 'abandoned' | 'asked') => void;
}

/** What is known of one invocation: whether it runs, who waits for it, and what came of it. */
export class Entry<Outcome> {
  readonly id: string;
  readonly fingerprint: string | undefined;
  readonly isRecorded: boolean;
  state: InvocationState = 'running';
  /** When it ended, on the clock of `performance.now()`. */
  endedAt: number | undefined;
  /** What callers are answered with. There before the end when it is a stream. */
  outcome: Outcome | undefined;
  readonly #graceMs: number;
  #cancel: EntryOptions['cancel'] | undefined;
  #waiting: ((outcome: Outcome) => void)[] | undefined;
  #attached = 0;
  #grace: ReturnType<typeof setTimeout> | undefined;

  constructor(options: EntryOptions) {
    this.id = options.id;
    this.fingerprint = options.fingerprint;
    this.isRecorded = options.isRecorded;
    this.#graceMs = options.graceMs;
    this.#cancel = options.cancel;
  }

  /** A caller waits for it. */
  attach(): void {
    this.#attached++;
    clearTimeout(this.#grace);
  }

  /** A caller left. When it was the last, the grace begins. */
  detach(): void {
    this.#attached--;
    if (this.#attached > 0 || this.state !== 'running') return;
    if (this.#graceMs === 0) this.#cancel?.('abandoned');
    else this.#grace = setTimeout(() => this.#cancel?.('abandoned'), this.#graceMs);
  }

  /** Stops it, if it still runs. */
  cancel(): void {
    if (this.state === 'running') this.#cancel?.('asked');
  }

  /** Says what callers are answered with: the answer, or the stream that it will be. */
  open(outcome: Outcome): void {
    this.outcome = outcome;
    for (const tell of this.#waiting ?? []) tell(outcome);
    this.#waiting = undefined;
  }

  /** Gives what callers are answered with: at once where it is there, for that is cheaper than a promise. */
  opened(): Outcome | Promise<Outcome> {
    if (this.outcome !== undefined) return this.outcome;
    return new Promise((resolve) => {
      this.#waiting ??= [];
      this.#waiting.push(resolve);
    });
  }

  /** It has come to its end. */
  close(state: Exclude<InvocationState, 'running'>): void {
    this.state = state;
    this.endedAt = performance.now();
    clearTimeout(this.#grace);
    // Behind it are the request, its connection and all that the handler made: they are not to be kept with the answer.
    this.#cancel = undefined;
  }
}
