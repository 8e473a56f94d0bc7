import type { EventLog } from './event-log.js';
import type { Failure } from './failure.js';

/** How the values of a stream become the events of a log. */
export interface Encoding<Item, End> {
  item(value: unknown): Item;
  /** Called once, at the end of the stream. */
  end(failure: Failure | undefined): End;
}

/** Writes the values of a stream into a log. */
export class LogWriter<Item extends { readonly length: number }, End> {
  readonly #log: EventLog<Item, End>;
  readonly #encoding: Encoding<Item, End>;
  readonly #onValue: () => void;

  constructor(log: EventLog<Item, End>, encoding: Encoding<Item, End>, onValue: () => void) {
    this.#log = log;
    this.#encoding = encoding;
    this.#onValue = onValue;
  }

  /** Called whenever more may be written. */
  set onDrain(callback: () => void) {
    this.#log.onDrain = callback;
  }

  /** Takes a value. False: write no more until {@link LogWriter.onDrain}. */
  write(value: unknown): boolean {
    const item = this.#encoding.item(value);
    this.#onValue();
    return this.#log.append(item, item.length);
  }

  /** Takes the end: a clean one, or a failure. Called once. */
  end(failure?: Failure): void {
    this.#log.end(this.#encoding.end(failure));
  }
}
