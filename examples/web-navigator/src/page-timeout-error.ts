/** A page took longer than it may. */
export class PageTimeoutError extends Error {
  override readonly name = 'PageTimeoutError';

  constructor(timeoutMs: number) {
    super(`The page took longer than ${timeoutMs} ms (\`timeoutMs\`).`);
  }
}
