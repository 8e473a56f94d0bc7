import type { MachineChange, StartOptions } from '@sandpiper/sandbox-engine/engine';

/** What was found out about the limits of a sandbox. */
export interface LimitsChange {
  id: string;
  /** What was changed, and put back. */
  mended?: string;
  /** Why it could not be put back. */
  obstacle?: string;
}

/** Keeps account of sandboxes whose limits are not what was promised, and reports when that changes. */
export class LimitsWatch {
  readonly #obstacles = new Map<string, string>();

  constructor(private readonly onChange: (change: MachineChange) => void) {}

  /** Why the limits of a sandbox are not in force; undefined while all are. */
  get obstacle(): string | undefined {
    const [first] = this.#obstacles.values();
    return first;
  }

  forget(id: string): void {
    this.#obstacles.delete(id);
  }

  reporter({ onNotice = () => {} }: StartOptions): (found: LimitsChange) => void {
    return ({ id, mended, obstacle }) => {
      const before = this.#obstacles.get(id);
      if (obstacle === undefined) this.#obstacles.delete(id);
      else this.#obstacles.set(id, obstacle);
      const reason = obstacle ?? mended;
      if (reason === undefined || (obstacle !== undefined && before !== undefined)) return;
      onNotice(
        obstacle === undefined
          ? `Its limits are in force again: ${reason}.`
          : `Its limits are not in force any more: ${reason}.`,
      );
      const outcome = obstacle === undefined ? 'restored' : 'lost';
      this.onChange({ what: 'limits', outcome, reason, sandboxes: 1, elapsedMs: 0 });
    };
  }
}
