/** Who reads a stream of numbered events. */
export interface Reader<Item, End> {
  /** Takes an event; numbers count from 1. False: it is behind, and must be given no more until it has caught up. */
  write(item: Item, id: number): boolean;
  /** Nothing comes any more; takes the last event, unless it has read that before. */
  end(final: { readonly value: End; readonly id: number } | undefined): void;
  /** The events it would have to read next are gone. */
  lost(): void;
}
