import type { Sink } from '../stream/sink.js';
import { uncached } from './cache-policy.js';

/** An answer as the core gives it; each door puts it on its own wire. */
export type Reply = BodyReply | StreamReply | PassedReply;

/** Names, in lower case, and values by turns: what `node:http` writes quickest, and what may name `set-cookie` twice. */
export type ReplyHeaders = string[];

/** An answer that is complete. */
export interface BodyReply {
  readonly kind: 'body';
  readonly status: number;
  readonly headers: ReplyHeaders;
  readonly body: string;
}

/** An answer that comes frame by frame: the door opens a sink and the core fills it. */
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

/** A complete answer of JSON text. */
export function jsonReply(status: number, body: string, ...headers: ReplyHeaders): BodyReply {
  return {
    kind: 'body',
    status,
    headers: ['content-type', 'application/json; charset=utf-8', ...uncached, ...headers],
    body,
  };
}
