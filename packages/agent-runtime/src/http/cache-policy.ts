import { fromResponse, type ReplyHeaders } from './response-headers.js';

/** Of a response that nobody may keep: it is one caller's, and of this moment (docs/wire-protocol.md, "Responses"). */
export const uncached: readonly string[] = ['cache-control', 'no-store'];

/** Of an event stream: middleware that compresses holds it back without `no-transform`, proxies of the nginx family without the other. */
export const unchangedStream: readonly string[] = [
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
];

/** The headers of a handler's `Response`, with what it leaves open. */
export function withCachePolicy(response: Response): ReplyHeaders {
  const headers = fromResponse(response);
  const isEventStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  const policy = isEventStream ? unchangedStream : uncached;
  for (let at = 0; at < policy.length; at += 2) {
    const [name = '', value = ''] = policy.slice(at, at + 2);
    if (!response.headers.has(name)) headers.push(name, value);
  }
  return headers;
}
