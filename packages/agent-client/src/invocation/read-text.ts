import { InvocationError } from '../errors/invocation-error.js';
import type { ResponseBody } from '../transport/transport.js';

/**
 * Reads a body to its end.
 *
 * @throws InvocationError when it is longer than `maxBytes`; the rest is not read.
 */
export async function readText(body: ResponseBody, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let chunk = await body.read(); chunk; chunk = await body.read()) {
    size += chunk.length;
    if (size > maxBytes) {
      body.cancel();
      throw tooLong(maxBytes);
    }
    chunks.push(chunk);
  }
  const decoder = new TextDecoder();
  return chunks.length === 1
    ? decoder.decode(chunks[0])
    : chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode();
}

/** The agent ran, and what it says is more than this client was told to hold. */
export function tooLong(maxBytes: number): InvocationError {
  return new InvocationError(
    `The agent's answer is longer than ${maxBytes} bytes: raise \`maxResponseBytes\`, or stream it.`,
    { outcome: 'failed' },
  );
}
