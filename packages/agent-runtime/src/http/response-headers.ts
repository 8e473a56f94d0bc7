import type { ReplyHeaders } from './reply.js';

/** The headers of a web `Response` as a reply has them. */
export function headersOf(from: Headers): ReplyHeaders {
  const headers: ReplyHeaders = {};
  for (const [name, value] of from) headers[name] = value;
  // The one header that cannot be joined with commas.
  const cookies = from.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  return headers;
}
