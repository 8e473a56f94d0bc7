/**
 * Where the text of a stream goes. Each door has its own: a Node response, or the `ReadableStream` of a web one.
 * Writing to a reader that has left does nothing; that it left is told by the request (`Incoming.onGone`).
 */
export interface Sink {
  /** Called when a reader that was behind has caught up. */
  onDrain: (() => void) | undefined;
  /** Takes text for the reader. False: the reader is behind, write no more until {@link Sink.onDrain}. */
  write(text: string): boolean;
  /** Ends the stream cleanly. */
  end(): void;
}
