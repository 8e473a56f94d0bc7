/** A request as the core sees it, whether it came through a socket of Node's or `fetch`. */
export interface Incoming {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  header(name: string): string | undefined;
  /** All headers, names in lower case. */
  headers(): Record<string, string>;
  /**
   * Reads the whole body as text.
   *
   * @throws RequestError 413 as soon as it outgrows the limit, whatever its declared length; 400 when it is not UTF-8.
   */
  readText(maxBytes: number): Promise<string>;
  /** The same as a web `Request`, for middleware. Its body can be read there or by `readText`, not by both. */
  toRequest(): Request;
  /** Calls back, at most once, when the caller leaves before its answer is complete. */
  onGone(callback: () => void): void;
}
