import type { IncomingMessage } from 'node:http';
import { ConnectError } from './connect-error.js';
import { EnvelopeReader } from './envelopes.js';

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
