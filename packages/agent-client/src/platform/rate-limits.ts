import { parseRetryAfter } from '../invocation/retry-after.js';

/** What undici publishes of every response (https://undici.nodejs.org, "Diagnostics Channel Support"). */
interface HeadersMessage {
  request: { origin?: string | URL };
  response: { statusCode: number; headers: readonly Uint8Array[] };
}

interface RateLimit {
  /** On the clock of `performance.now()`. */
  seenAt: number;
  retryAfterMs: number | undefined;
}

/** The error of a response is made at once; what was seen longer ago is another's. */
const freshMs = 5_000;

/** By the origin of a control plane: its last 429. */
const lastLimits = new Map<string, RateLimit | undefined>();

/**
 * Notes how long a control plane asks to wait when it limits its callers. The E2B SDK waits for that a few times by itself
 * and leaves it out of the error that it throws at last; on Node its requests can be watched. Elsewhere nothing is noted.
 */
export function watchRateLimits(origin: string): void {
  if (lastLimits.size === 0) {
    const channels = globalThis.process?.getBuiltinModule?.('node:diagnostics_channel');
    channels?.subscribe('undici:request:headers', (message) => note(message as HeadersMessage));
  }
  if (!lastLimits.has(origin)) lastLimits.set(origin, undefined);
}

/** How long the control plane asked to wait in the 429 that has just come, in milliseconds. */
export function lastRetryAfterMs(origin: string): number | undefined {
  const limit = lastLimits.get(origin);
  return limit && performance.now() - limit.seenAt < freshMs ? limit.retryAfterMs : undefined;
}

function note({ request, response }: HeadersMessage): void {
  if (response.statusCode !== 429) return;
  const origin = String(request.origin).replace(/\/$/, '');
  if (!lastLimits.has(origin)) return;
  const texts = response.headers.map((bytes) => new TextDecoder().decode(bytes));
  const name = texts.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === 'retry-after');
  const value = name < 0 ? undefined : texts[name + 1];
  lastLimits.set(origin, { seenAt: performance.now(), retryAfterMs: parseRetryAfter(value) });
}
