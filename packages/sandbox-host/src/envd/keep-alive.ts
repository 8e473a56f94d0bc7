import type { Context } from './caller.js';

/** Proxies end what is silent for 30 s (Traffic Server, h2o) or 50 (HAProxy). */
const longestMs = 20_000;

/** How often a stream says that it lives, in milliseconds: as the caller wants, and at least every 20 s. */
export function keepAliveMs({ headers }: Context): number {
  const ms = Number(headers['keepalive-ping-interval']) * 1000;
  return ms > 0 ? Math.min(ms, longestMs) : longestMs;
}

/** Passes values on, and says so whenever none came for a while. */
export async function* withKeepAlive<T>(
  source: AsyncGenerator<T, void>,
  intervalMs: number,
): AsyncGenerator<T | 'keepalive', void> {
  try {
    let next = source.next();
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const quiet = new Promise<'keepalive'>((resolve) => {
        timer = setTimeout(resolve, intervalMs, 'keepalive');
      });
      const first = await Promise.race([next, quiet]).finally(() => clearTimeout(timer));
      if (first === 'keepalive') {
        yield first;
        continue;
      }
      if (first.done) return;
      yield first.value;
      next = source.next();
    }
  } finally {
    await source.return();
  }
}
