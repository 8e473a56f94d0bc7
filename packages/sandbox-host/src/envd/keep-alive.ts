import type { Context } from './caller.js';

/** How often the caller wants to hear that the stream lives, in milliseconds; 0 when it did not say. */
export function keepAliveMs({ headers }: Context): number {
  return Number(headers['keepalive-ping-interval'] ?? 0) * 1000;
}

/** Passes values on, and says so whenever none came for a while. Without an interval it only passes on. */
export async function* withKeepAlive<T>(
  source: AsyncGenerator<T, void>,
  intervalMs: number,
): AsyncGenerator<T | 'keepalive', void> {
  if (!(intervalMs > 0)) {
    yield* source;
    return;
  }
  try {
    let next = source.next();
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const quiet = new Promise<'keepalive'>((resolve) => {
        timer = setTimeout(resolve, Math.min(intervalMs, 2 ** 31 - 1), 'keepalive');
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
