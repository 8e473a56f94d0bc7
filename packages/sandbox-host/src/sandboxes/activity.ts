/** Something under way that keeps a sandbox from being idle. */
export interface Holder {
  kind: 'request' | 'stream' | 'command';
  /** Such as `GET /path`. */
  what: string;
  since: Date;
}

/** What is going on in a sandbox, as far as it can be seen from outside. */
export class Activity {
  readonly #holders = new Set<Holder>();
  #last = Date.now();

  /** Says that something has begun. @returns what says that it is over. */
  hold(kind: Holder['kind'], what: string): () => void {
    const holder = { kind, what, since: new Date() };
    this.#holders.add(holder);
    return () => {
      if (this.#holders.delete(holder)) this.touch();
    };
  }

  /** Says that something has happened, now or at another time. */
  touch(at: number = Date.now()): void {
    this.#last = Math.max(this.#last, at);
  }

  holders(): Holder[] {
    return [...this.#holders];
  }

  /** When the last thing happened, in Unix milliseconds; undefined while something goes on. */
  get idleSince(): number | undefined {
    return this.#holders.size > 0 ? undefined : this.#last;
  }
}
