/** Receives the numbered events of a stream. */
export interface Subscriber<Item, End> {
  /** Takes an event; numbers count from 1. False: it is behind, and must be given no more until it has caught up. */
  write(item: Item, id: number): boolean;
  /** No more events follow; takes the last one, unless it was received before. */
  end(final: { readonly value: End; readonly id: number } | undefined): void;
  /** The events that it would receive next are gone. */
  lost(): void;
}
