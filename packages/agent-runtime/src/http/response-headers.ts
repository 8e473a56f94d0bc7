import type { ReplyHeaders } from './reply.js';

/** The headers of a web `Response` as a reply has them. */
export function fromWebHeaders(headers: Headers): ReplyHeaders {
  const flat: ReplyHeaders = [];
  // Cookies come one by one out of the iteration: they are the one header that cannot be joined with commas.
  for (const [name, value] of headers) flat.push(name, value);
  return flat;
}

/** The other way round. */
export function toWebHeaders(flat: ReplyHeaders): Headers {
  const headers = new Headers();
  for (let at = 0; at < flat.length; at += 2) headers.append(flat[at] ?? '', flat[at + 1] ?? '');
  return headers;
}
