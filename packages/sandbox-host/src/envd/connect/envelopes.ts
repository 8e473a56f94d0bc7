import { ConnectError } from './connect-error.js';

/** Each message of a stream comes after a byte of flags and its length. */
const prefixBytes = 5;
const compressedFlag = 0b01;
/** Marks the last envelope of an answer: how it ended, as JSON. */
export const endFlag = 0b10;

/** A message as it goes into a stream. */
export function envelope(flags: number, message: string | Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes + Buffer.byteLength(message));
  bytes.writeUInt8(flags, 0);
  bytes.writeUInt32BE(bytes.length - prefixBytes, 1);
  if (typeof message === 'string') bytes.write(message, prefixBytes);
  else bytes.set(message, prefixBytes);
  return bytes;
}

/** Takes messages apart that come in any pieces. */
export class EnvelopeReader {
  #rest: Buffer = Buffer.alloc(0);

  constructor(private readonly maxBytes: number) {}

  /** @throws ConnectError for a message that is too long or compressed. */
  *push(piece: Buffer): Generator<Buffer, void> {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (this.#rest.length >= prefixBytes) {
      if (this.#rest.readUInt8(0) & compressedFlag) {
        throw new ConnectError('Messages must not be compressed.', 'unimplemented');
      }
      const end = prefixBytes + this.#rest.readUInt32BE(1);
      if (end - prefixBytes > this.maxBytes) throw tooLong(this.maxBytes);
      if (this.#rest.length < end) return;
      const message = this.#rest.subarray(prefixBytes, end);
      this.#rest = this.#rest.subarray(end);
      yield message;
    }
  }

  /** @throws ConnectError when the last message was cut. */
  end(): void {
    if (this.#rest.length === 0) return;
    throw new ConnectError('The request ends in the middle of a message.', 'invalid_argument');
  }
}

export function tooLong(maxBytes: number): ConnectError {
  return new ConnectError(`A message is longer than ${maxBytes} bytes.`, 'resource_exhausted');
}
