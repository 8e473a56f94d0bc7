import type { Outlet, Thrown } from '../stream/outlet.js';
import type { EventLog } from './ledger/event-log.js';

/** How the values of a stream become the events of a log. */
export interface Encoding<Item, End> {
  item(value: unknown): Item;
  /** Called once, at the end of the stream. */
  end(thrown: Thrown | undefined): End;
}

/** Puts the values of a stream into a log. */
export class LogOutlet<Item extends { readonly length: number }, End> implements Outlet {
  readonly #log: EventLog<Item, End>;
  readonly #encoding: Encoding<Item, End>;
  readonly #onValue: () => void;

  constructor(log: EventLog<Item, End>, encoding: Encoding<Item, End>, onValue: () => void) {
    this.#log = log;
    this.#encoding = encoding;
    this.#onValue = onValue;
  }

  set onDrain(callback: () => void) {
    this.#log.onDrain = callback;
  }

  write(value: unknown): boolean {
    const item = this.#encoding.item(value);
    this.#onValue();
    return this.#log.append(item, item.length);
  }

  end(thrown?: Thrown): void {
    this.#log.end(this.#encoding.end(thrown));
  }
}
