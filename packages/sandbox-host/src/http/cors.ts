import type { IncomingMessage, ServerResponse } from 'node:http';

/** Seconds for which a browser need not ask again: two hours. */
const maxAgeSeconds = '7200';

/**
 * Lets pages of any origin call the host, so that E2B's SDK runs in browsers. It gives away nothing: what is behind
 * asks for a key or a token that a page has to know, never for a cookie.
 *
 * @returns whether the request was a browser's question, which is answered then.
 */
export function allowPages(request: IncomingMessage, response: ServerResponse): boolean {
  const { origin, ...headers } = request.headers;
  if (origin === undefined) return false;
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', '*');
  if (request.method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false;
  response.writeHead(204, {
    'access-control-allow-methods': headers['access-control-request-method'],
    // By name, for the wildcard does not stand for `Authorization`.
    'access-control-allow-headers': headers['access-control-request-headers'] ?? '*',
    'access-control-max-age': maxAgeSeconds,
    vary: 'access-control-request-method, access-control-request-headers',
  });
  response.end();
  return true;
}
