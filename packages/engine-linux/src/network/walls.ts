import type { MachineChange } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import { ownerText } from './claim.js';
import { tableName, tableText } from './packet-filter.js';
import { watchRules } from './rules-watch.js';
import { damageTo } from './standing-rules.js';
import { inRounds, nft, runOn } from './tools.js';

/** A sandbox behind walls. */
export interface Walled {
  /** Its part of the rules. */
  text: string;
  /** Has it stand still, or go on, for the walls' sake. */
  hold(): Promise<void>;
  release(): Promise<void>;
  /** Told what happened to its walls. */
  onNotice(message: string): void;
}

export interface WallsOptions {
  logger: Logger;
  block: number;
  proxyPort: number;
  /** What else is to be put back: rules of the machine's own that sandboxes made necessary. */
  more: () => Promise<string>;
  onChange: (change: MachineChange) => void;
}

/** What could not be put back, or looked at, is tried again after this time. */
const retryMs = 5_000;
/** Changed in one go. */
const mostAtOnce = 16;

/**
 * Keeps the rules of all sandboxes where another program may take them away, as a restart of the machine's firewall does
 * (`nft flush ruleset`): when that is noticed all sandboxes are stopped and all rules put back in one change, at the same
 * time, so that whichever is done first ends what they could have sent. Where the rules cannot be put back they stand still.
 */
export class Walls {
  readonly #standing = new Map<number, Walled & { laid: boolean }>();
  readonly #filter: (commands: string) => Promise<void>;
  readonly #unwatch: () => void;
  #mending: Promise<void> | undefined;
  /** What was noticed meanwhile. */
  #again: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #obstacle: string | undefined;
  /** What it is that could not be put back. */
  #lost: string | undefined;
  #blind = false;
  #closed = false;

  constructor(private readonly options: WallsOptions) {
    this.#filter = inRounds<string>((texts) => nft(texts.join('')), mostAtOnce);
    this.#unwatch = watchRules(tableName(options.block), {
      onGone: () => this.#mendSoon('the packet filter was flushed'),
      onDoubt: () => this.#mendSoon(),
    });
  }

  /** Why there are no walls at this moment; undefined while there are. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /** Lays a sandbox's rules, or other ones. @throws HostError 503 where there are no walls. */
  async lay(slot: number, walled: Walled): Promise<void> {
    const before = this.#standing.get(slot);
    const entry = { ...walled, laid: false };
    const apply = async (): Promise<void> => {
      this.#standing.set(slot, entry);
      await this.#filter(entry.text);
      entry.laid = true;
    };
    const undo = (): unknown => (before ? this.#standing.set(slot, before) : this.#standing.delete(slot));
    try {
      await apply().catch(async () => {
        undo();
        await this.#mend();
        this.check();
        await apply();
      });
    } catch (error) {
      if (this.#standing.get(slot) === entry) undo();
      throw error;
    }
  }

  /** Takes a sandbox's rules away, if they are there. */
  async clear(slot: number, text: string): Promise<void> {
    this.#standing.delete(slot);
    // Without its table it has none.
    await this.#filter(text).catch(() => this.#mend());
  }

  /** Those that have been walled in. */
  slots(): number[] {
    return [...this.#standing].filter(([, { laid }]) => laid).map(([slot]) => slot);
  }

  notice(slot: number, message: string): void {
    this.#standing.get(slot)?.onNotice(message);
  }

  /** @throws HostError 503 where there are no walls. */
  check(): void {
    if (this.#obstacle !== undefined)
      throw new HostError(503, `Sandboxes of this host have no network at present: ${this.#obstacle}.`);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#unwatch();
  }

  /** Puts back what is gone. Never rejects: what cannot be done is tried again. @param reason - Default: it is looked at. */
  #mend(reason?: string): Promise<void> {
    if (this.#mending && reason !== undefined) this.#again = reason;
    this.#mending ??= this.#mendOnce(reason).finally(() => {
      this.#mending = undefined;
      const again = this.#again;
      this.#again = undefined;
      if (again !== undefined) return this.#mend(again);
    });
    return this.#mending;
  }

  async #mendOnce(given: string | undefined): Promise<void> {
    const reason = given ?? this.#lost ?? (await this.#damage());
    if (this.#closed || reason === undefined) return;
    const begun = performance.now();
    const held = [...this.#standing.values()];
    const holding = Promise.allSettled(held.map((one) => one.hold()));
    const elapsed = (): number => Math.round(performance.now() - begun);
    try {
      await nft(this.#text(held) + (await this.options.more()));
      for (const one of held) one.laid = true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      await holding;
      if (this.#obstacle === undefined)
        this.#say({ outcome: 'lost', reason: `${reason}; ${why}`, held, elapsedMs: elapsed() });
      this.#lost = reason;
      this.#obstacle = `${reason}, and its rules cannot be put back (${why})`;
      this.#tryAgain();
      return;
    }
    this.#obstacle = undefined;
    this.#lost = undefined;
    const elapsedMs = elapsed();
    await holding;
    await Promise.allSettled(held.map((one) => one.release()));
    this.#say({ outcome: 'restored', reason, held, elapsedMs });
  }

  #tryAgain(): void {
    clearTimeout(this.#retry);
    if (!this.#closed) this.#retry = setTimeout(() => this.#mendSoon(), retryMs).unref();
  }

  /** Mends them while nobody waits for that. */
  #mendSoon(reason?: string): void {
    this.#mend(reason).catch(
      logFailure(this.options.logger, 'The rules of sandboxes could not be looked at'),
    );
  }

  #text(entries: { text: string }[]): string {
    const { block, proxyPort } = this.options;
    return tableText(block, proxyPort) + ownerText(block) + entries.map(({ text }) => text).join('');
  }

  /** What is not as it was made; undefined when all is. */
  async #damage(): Promise<string | undefined> {
    const expected = [...this.#standing.values()].filter(({ laid }) => laid);
    const text = this.#text(expected);
    try {
      const listed = await runOn('', 'nft', '-a', 'list', 'table', 'inet', tableName(this.options.block));
      this.#blind = false;
      // Meanwhile some may have gone or got other rules.
      const same = expected.every((one) => one.laid && [...this.#standing.values()].includes(one));
      const damage = damageTo(text, listed);
      if (damage === undefined || same) return damage;
      this.#tryAgain();
      return undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why.includes('No such file or directory')) return 'the packet filter was flushed';
      // Once may be for want of a process; what cannot be seen is not relied on.
      if (this.#blind) return `the packet filter cannot be read (${why})`;
      this.#blind = true;
      this.#tryAgain();
      return undefined;
    }
  }

  #say({ held, ...change }: Omit<MachineChange, 'what' | 'sandboxes'> & { held: Walled[] }): void {
    const { outcome, reason, elapsedMs } = change;
    const message =
      outcome === 'restored'
        ? `Its network rules had gone (${reason}); they were put back within ${elapsedMs} ms, in which it stood still.`
        : `Its network rules have gone (${reason}); it stands still until they can be put back.`;
    for (const one of held) one.onNotice(message);
    this.options.onChange({ ...change, what: 'network', sandboxes: held.length });
  }
}
