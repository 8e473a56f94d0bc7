import { headers as headerNames } from '@sandpiper/protocol';
import type { Incoming } from './incoming.js';
import type { BodyReply } from './reply.js';
import type { ReplyHeaders } from './response-headers.js';

const exposed = [
  headerNames.requestId,
  headerNames.invocationId,
  headerNames.runtimeInstance,
  headerNames.streamProtocol,
  headerNames.usage,
].join(', ');

/** The headers without which a browser lets no page read a response; none for callers that are not pages. */
export function corsHeaders(incoming: Incoming, origins: readonly string[]): ReplyHeaders {
  const origin = incoming.header('origin');
  if (origin === undefined) return [];
  const exposure = ['access-control-expose-headers', exposed];
  if (origins.includes('*')) return ['access-control-allow-origin', '*', ...exposure];
  // The answer differs by origin, and so must what a cache keeps of it.
  if (!origins.includes(origin)) return ['vary', 'origin'];
  return ['access-control-allow-origin', origin, ...exposure, 'vary', 'origin'];
}

/** Answers `OPTIONS`: what may be done here and, to a page of an allowed origin, with which headers. */
export function preflight(incoming: Incoming, allow: string): BodyReply {
  const asked = incoming.header('access-control-request-headers');
  return {
    kind: 'body',
    status: 204,
    headers: [
      'allow',
      allow,
      'access-control-allow-methods',
      allow,
      'access-control-max-age',
      '600',
      ...(asked === undefined ? [] : ['access-control-allow-headers', asked]),
    ],
    body: '',
  };
}
