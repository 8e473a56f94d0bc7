/** Puts pieces together; one piece is given back as it is. */
export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array()] = pieces;
  if (pieces.length <= 1) return first;
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** Reads UTF-8 text out of whole bytes. Many times faster, in Node, than a decoder that takes them piece by piece. */
export function toText(pieces: readonly Uint8Array[]): string {
  return new TextDecoder().decode(concatenate(pieces));
}
