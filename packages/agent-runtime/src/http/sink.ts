/**
 * Where a stream goes. Each server has its own: a Node response, or the `ReadableStream` of a web one.
 * Writing to a reader that has left does nothing; the request reports that (`Incoming.onGone`).
 */
export interface Sink {
  /** Called when a reader that was behind has caught up. */
  onDrain: (() => void) | undefined;
  /** Whether the reader has yet to catch up with what was written. */
  readonly isBehind: boolean;
  /** Calls back when somebody reads: at once where the reader is a connection. */
  whenRead(callback: () => void): void;
  /** Takes a piece for the reader. False: the reader is behind, write no more until {@link Sink.onDrain}. */
  write(piece: string | Uint8Array): boolean;
  /** Ends the stream cleanly. */
  end(): void;
  /** Breaks the stream off, so that its end cannot be taken for a clean one. */
  cut(): void;
}
