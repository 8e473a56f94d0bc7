import type { IncomingMessage } from 'node:http';
import { HostError } from '@sandpiper/sandbox-engine/host-error';

/** The longest JSON body that is read. */
const jsonBytes = 1024 * 1024;

/**
 * Reads a whole body. What is beyond the limit is not kept: a declared length proves nothing.
 *
 * @param tooLong - The error for a longer one. Default: HostError 413.
 * @throws HostError 400 when the request is cut.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  tooLong: (maxBytes: number) => Error = bodyTooLong,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > maxBytes) reject(tooLong(maxBytes));
      else pieces.push(piece);
    });
    request.once('end', () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)));
    request.once('close', () => reject(new HostError(400, 'The request was cut.')));
  });
}

/** Reads a body of JSON of up to 1 MiB; an empty one is `{}`. @throws HostError 400 or 413. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = (await readBody(request, jsonBytes)).toString();
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new HostError(400, 'The request body is not JSON.');
  }
}

function bodyTooLong(maxBytes: number): HostError {
  return new HostError(413, `The request body is longer than ${maxBytes} bytes.`);
}
