/** Who may have a sandbox stand still: its caller, and the host while it cannot be walled in. */
export type Holder = 'caller' | 'walls';

/** Whether a sandbox stands still, which it does for as long as anybody wants it to. */
export class Standstill {
  readonly #holders = new Set<Holder>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly freeze: () => Promise<void>,
    private readonly thaw: () => Promise<void>,
  ) {}

  /** Settles when it stands still. @throws Error when it cannot be stopped; then this holder does not hold it. */
  async hold(holder: Holder): Promise<void> {
    this.#holders.add(holder);
    try {
      await this.#inTurn(this.freeze);
    } catch (error) {
      this.#holders.delete(holder);
      throw error;
    }
  }

  /** Lets it go on unless another holds it, too. */
  async release(holder: Holder): Promise<void> {
    this.#holders.delete(holder);
    await this.#inTurn(async () => {
      if (this.#holders.size === 0) await this.thaw();
    });
  }

  /** Stops it again where it should stand still: what is moved to another control group goes on. */
  async renew(): Promise<void> {
    if (this.#holders.size > 0) await this.#inTurn(this.freeze);
  }

  /** Without a moment's wait where nothing is under way: what is to be stopped at once is. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
