import { uncached } from './cache-policy.js';
import type { ReplyHeaders } from './response-headers.js';
import type { Sink } from './sink.js';

/** A response as the core makes it; each server writes it in its own way. */
export type Reply = BodyReply | StreamReply | PassedReply;

/** A response that is complete. */
export interface BodyReply {
  readonly kind: 'body';
  readonly status: number;
  readonly headers: ReplyHeaders;
  readonly body: string;
}

/** A response that comes frame by frame: the server opens a sink and the core fills it. */
export interface StreamReply {
  readonly kind: 'stream';
  readonly status: number;
  readonly headers: ReplyHeaders;
  open(sink: Sink): void;
}

/** A `Response` the handler made, to be passed on as it is, with our headers added where it has none of that name. */
export interface PassedReply {
  readonly kind: 'passed';
  readonly response: Response;
  readonly headers: ReplyHeaders;
}

/** A complete response of JSON text. */
export function jsonReply(status: number, body: string, ...headers: ReplyHeaders): BodyReply {
  return {
    kind: 'body',
    status,
    headers: ['content-type', 'application/json; charset=utf-8', ...uncached, ...headers],
    body,
  };
}
