/**
 * Stands between a request and its response. What the handler throws comes out of `next` as it was thrown.
 *
 * @example
 * ```ts
 * app.middleware(async (request, next) => {
 *   const response = await next(request);
 *   response.headers.set('x-agent', 'weather');
 *   return response;
 * });
 * ```
 */
export type Middleware = (request: Request, next: Next) => Response | Promise<Response>;

/** Goes on to the next middleware, and at last to the agent; with another request, if it is given one. */
export type Next = (request?: Request) => Promise<Response>;

/**
 * Runs middlewares in their order of registration around `last`.
 *
 * @throws TypeError when one gives no response; and what one throws.
 */
export async function compose(
  middlewares: readonly Middleware[],
  request: Request,
  last: (request: Request) => Promise<Response>,
): Promise<Response> {
  const [first, ...others] = middlewares;
  if (!first) return last(request);
  // The type does not stop plain JavaScript, where a path without a `return` is easily left.
  const response: unknown = await first(request, (changed = request) => compose(others, changed, last));
  if (response instanceof Response) return response;
  throw new TypeError(
    'A middleware returned no Response: each of its paths must return one, or next(request).',
  );
}
