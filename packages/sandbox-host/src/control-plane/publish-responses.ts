import { channel } from 'node:diagnostics_channel';
import type { MiddlewareHandler } from 'hono';
import { actionOf } from './report-decisions.js';

/** A response of the control plane, and what says how it should be. */
export interface PublishedResponse {
  /** The OpenAPI document. */
  document: Record<string, unknown>;
  /** Such as `GET /sandboxes/{sandboxID}`. */
  action: string;
  /** Its own copy. */
  response: Response;
}

/** Not for users: tests compare what it carries with the OpenAPI document. */
export const responseChannelName = 'sandpiper:control-plane:response';
const responses = channel(responseChannelName);

/** Publishes every response while somebody listens; else it costs nothing. */
export function publishResponses(document: Record<string, unknown>): MiddlewareHandler {
  return async (context, next) => {
    await next();
    if (!responses.hasSubscribers) return;
    const published: PublishedResponse = {
      document,
      action: actionOf(context),
      response: context.res.clone(),
    };
    responses.publish(published);
  };
}
