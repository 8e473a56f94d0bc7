import { InvocationError } from '../errors/invocation-error.js';
import type { ResponseBody } from '../transport/transport.js';
import { toText } from './bytes.js';

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
  return toText(chunks);
}

/** What a body begins with. */
export interface BodyStart {
  text: string;
  /** What broke it off before its end; what came before may still say something. */
  brokenBy?: unknown;
}

/** Reads what a body begins with, and no more. */
export async function readStart(body: ResponseBody, maxBytes: number): Promise<BodyStart> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let brokenBy: unknown;
  try {
    for (let chunk = await body.read(); chunk && size < maxBytes; chunk = await body.read()) {
      chunks.push(chunk);
      size += chunk.length;
    }
  } catch (error) {
    brokenBy = error;
  }
  body.cancel();
  return { text: toText(chunks), brokenBy };
}

/** What the agent says is more than this client may hold, so nobody here knows how it ends. */
export function tooLong(maxBytes: number): InvocationError {
  return new InvocationError(
    `The agent's answer is longer than ${maxBytes} bytes: raise \`maxResponseBytes\`, or stream it.`,
    { outcome: 'unknown' },
  );
}
