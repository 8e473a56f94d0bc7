import { headers as headerNames } from '@sandpiper/protocol';

/** Names, in lower case, and values by turns: what `node:http` writes quickest, and what may name `set-cookie` twice. */
export type ReplyHeaders = string[];

/** What belongs to one connection, and how long a body is on it, is for the server to say (RFC 9110, section 7.6.1). */
const ofConnection: readonly string[] = ['connection', 'keep-alive', 'transfer-encoding', 'content-length'];

/** Say whose response it is, and so are this runtime's own, even on one that a handler fetched from another agent. */
const ofRuntime: readonly string[] = [headerNames.runtimeInstance, headerNames.invocationId];

/** The headers of a web `Response` as a reply has them. */
export function fromResponse({ headers, url }: Response): ReplyHeaders {
  // Only a fetched response has a URL, and what fetch gives is decoded already (Fetch standard, "handle content codings").
  const isDecoded = url !== '';
  const flat: ReplyHeaders = [];
  // Cookies come one by one out of the iteration: they are the one header that cannot be joined with commas.
  for (const [name, value] of headers) {
    if (ofConnection.includes(name) || ofRuntime.includes(name) || (isDecoded && name === 'content-encoding'))
      continue;
    flat.push(name, value);
  }
  return flat;
}

/** The other way round. */
export function toWebHeaders(flat: ReplyHeaders): Headers {
  const headers = new Headers();
  for (let at = 0; at < flat.length; at += 2) headers.append(flat[at] ?? '', flat[at + 1] ?? '');
  return headers;
}
