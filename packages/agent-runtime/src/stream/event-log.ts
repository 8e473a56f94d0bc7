import type { Subscriber } from './subscriber.js';

/** One subscriber's place in a log. */
export interface Subscription {
  /** The subscriber has caught up with what it was given. */
  drained(): void;
  /** The subscriber is gone. */
  unsubscribe(): void;
}

/** Memory that logs share. */
export interface Budget {
  /** Takes bytes; false when there is no room, and then nothing was taken. */
  take(bytes: number): boolean;
  release(bytes: number): void;
}

interface Place<Item, End> {
  readonly subscriber: Subscriber<Item, End>;
  /** The number of the last event the subscriber took. */
  cursor: number;
  behind: boolean;
}

/**
 * The numbered events of one invocation, for any number of subscribers, each at its own pace and from its own place.
 * A log that outgrows its share, or the budget, forgets its events and serves on those subscribers that are at its end.
 */
export class EventLog<Item, End> {
  /** Called when a writer that had to wait may go on. */
  onDrain: (() => void) | undefined;
  readonly #items: Item[] = [];
  #places: Place<Item, End>[] = [];
  readonly #share: number;
  readonly #budget: Budget;
  #bytes = 0;
  #last = 0;
  #end: { readonly value: End } | undefined;
  #forgotten: boolean;

  /** @param share - How many bytes it may remember; with 0 it serves the subscribers that are there before the first event. */
  constructor(share: number, budget: Budget) {
    this.#share = share;
    this.#budget = budget;
    this.#forgotten = share === 0;
  }

  /** How many events there were, the last one included. */
  get length(): number {
    return this.#last + (this.#end ? 1 : 0);
  }

  /** Adds an event. False: the subscribers are behind, add no more until {@link EventLog.onDrain}. */
  append(item: Item, bytes: number): boolean {
    if (!this.#forgotten) this.#keep(item, bytes);
    const id = ++this.#last;
    const places = this.#places;
    let behind = 0;
    for (const place of places) {
      if (!place.behind) this.#give(place, item, id);
      else if (this.#forgotten) this.#lose(place);
      if (place.behind) behind++;
    }
    return behind === 0 || this.#isReady();
  }

  /** Adds the last event. */
  end(value: End): void {
    const end = { value };
    this.#end = end;
    // The writer is done, and is not to be kept for as long as what it wrote.
    this.onDrain = undefined;
    for (const place of this.#places) if (!place.behind) this.#finish(place, end);
  }

  /** Whether {@link EventLog.subscribe} would find the events after number `after`. */
  has(after: number): boolean {
    return this.#forgotten ? this.length === 0 && after === 0 : after <= this.length;
  }

  /** Reads from the event after number `after` on. Undefined when those events are gone, or never were. */
  subscribe(after: number, subscriber: Subscriber<Item, End>): Subscription | undefined {
    if (!this.has(after)) return undefined;
    const place: Place<Item, End> = { subscriber, cursor: after, behind: false };
    this.#places = [...this.#places, place];
    this.#catchUp(place);
    return {
      drained: () => this.#catchUp(place),
      unsubscribe: () => {
        this.#remove(place);
        this.#wakeWriter();
      },
    };
  }

  /** Gives its memory back. Subscribers that have not read all of it are notified that they lost their place. */
  forget(): void {
    if (this.#forgotten) return;
    this.#forgotten = true;
    this.#items.length = 0;
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
    for (const place of this.#places) if (place.cursor < this.#last) this.#lose(place);
  }

  #keep(item: Item, bytes: number): void {
    if (this.#bytes + bytes <= this.#share && this.#budget.take(bytes)) {
      this.#items.push(item);
      this.#bytes += bytes;
    } else this.forget();
  }

  #give(place: Place<Item, End>, item: Item, id: number): void {
    place.cursor = id;
    place.behind = !place.subscriber.write(item, id);
  }

  #catchUp(place: Place<Item, End>): void {
    if (!this.#places.includes(place)) return;
    place.behind = false;
    while (place.cursor < this.#last && !place.behind) {
      const item = this.#items[place.cursor];
      if (item === undefined) {
        this.#lose(place);
        return;
      }
      this.#give(place, item, place.cursor + 1);
    }
    if (place.behind) return;
    if (this.#end) this.#finish(place, this.#end);
    else this.#wakeWriter();
  }

  #finish(place: Place<Item, End>, end: { readonly value: End }): void {
    this.#remove(place);
    place.subscriber.end(place.cursor > this.#last ? undefined : { value: end.value, id: this.#last + 1 });
  }

  #lose(place: Place<Item, End>): void {
    this.#remove(place);
    place.behind = false;
    place.subscriber.lost();
  }

  // A new list each time: a subscriber may come or go while the old one is walked through.
  #remove(place: Place<Item, End>): void {
    this.#places = this.#places.filter((other) => other !== place);
  }

  /** A log that remembers goes at the pace of its fastest subscriber, one that does not at the slowest's. */
  #isReady(): boolean {
    let behind = 0;
    for (const place of this.#places) if (place.behind) behind++;
    return behind === 0 || (!this.#forgotten && behind < this.#places.length);
  }

  #wakeWriter(): void {
    if (this.#isReady()) this.onDrain?.();
  }
}
