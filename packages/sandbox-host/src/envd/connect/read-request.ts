import type { IncomingMessage } from 'node:http';
import { ConnectError } from './connect-error.js';
import { EnvelopeReader, tooLong } from './envelopes.js';

/** The body of a request that is one message. @throws ConnectError when it is too long, Error when it is cut. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      // What follows is let go by.
      if (bytes > maxBytes) reject(tooLong(maxBytes));
      else pieces.push(piece);
    });
    request.once('end', () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)));
    request.once('close', () => reject(new Error('The request was cut.')));
  });
}

/** The one message of a body that is a stream. @throws ConnectError when there is none, or another one. */
export function onlyMessage(body: Buffer, maxBytes: number): Buffer {
  const reader = new EnvelopeReader(maxBytes);
  const [message, another] = reader.push(body);
  reader.end();
  if (message && !another) return message;
  throw new ConnectError('The request must hold one message.', 'invalid_argument');
}

/** The messages of a body, as they come. @throws ConnectError for what is none. */
export async function* readMessages(
  request: IncomingMessage,
  maxBytes: number,
): AsyncGenerator<Buffer, void> {
  const reader = new EnvelopeReader(maxBytes);
  for await (const piece of request) yield* reader.push(piece);
  reader.end();
}
