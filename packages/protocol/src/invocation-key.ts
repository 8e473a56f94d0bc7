/** In characters; far above any UUID, far below what a header may be. */
export const longestInvocationId = 256;

/**
 * What makes a text unfit to name an invocation (`Idempotency-Key`); undefined when it is fit. An invocation is cancelled at
 * `/invocations/{id}`, and a slash does not get there: Apache refuses a path with `%2F` or `%5C`, and other proxies decode it.
 *
 * @example
 * invocationKeyProblem('order/7'); // 'must not contain "/" or "\", which no path segment can hold behind every proxy'
 */
export function invocationKeyProblem(key: string): string | undefined {
  if (key.length > longestInvocationId)
    return `may have ${longestInvocationId} characters, not ${key.length}`;
  if (/[/\\]/.test(key))
    return 'must not contain "/" or "\\", which no path segment can hold behind every proxy';
  if (key === '.' || key === '..') return 'must not be "." or "..", which are no path segments';
  return undefined;
}
