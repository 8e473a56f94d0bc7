/** Node's timers count to this many milliseconds; a longer wait is taken in steps. */
const longestMs = 2 ** 31 - 1;

/** One timer, set to a moment however far. It does not keep the process alive. */
export class LongTimer {
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly onDue: () => void) {}

  /** @param at - Unix milliseconds; undefined for never. */
  set(at: number | undefined): void {
    clearTimeout(this.#timer);
    if (at === undefined) return;
    const wait = Math.max(at - Date.now(), 0);
    this.#timer = setTimeout(
      () => (wait > longestMs ? this.set(at) : this.onDue()),
      Math.min(wait, longestMs),
    );
    this.#timer.unref();
  }
}
