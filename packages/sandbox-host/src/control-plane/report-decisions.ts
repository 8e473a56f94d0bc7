import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { ApiEvents } from '../events/api-events.js';

/** What is found out about a request on its way, for its listeners. */
export interface Findings {
  Bindings: { incoming: IncomingMessage };
  Variables: { actor: string; sandboxId: string };
}

/** As an id that a caller chose may be: what goes into logs must not be of any length or form. */
const requestIdPattern = /^[\w.:/+=@-]{1,128}$/;

/** Tells of every request once it has been answered, and gives it an id where it has none. */
export function tellDecisions(events: ApiEvents): MiddlewareHandler<Findings> {
  return async (context, next) => {
    const startedAt = performance.now();
    const given = context.req.header('x-request-id') ?? '';
    const requestId = requestIdPattern.test(given) ? given : randomUUID();
    await next();
    context.res.headers.set('x-request-id', requestId);
    events.emit('decision', {
      actor: context.get('actor'),
      action: actionOf(context),
      changes: context.req.method !== 'GET' && context.req.method !== 'HEAD',
      sandboxId: context.get('sandboxId'),
      status: context.res.status,
      requestId,
      elapsedMs: performance.now() - startedAt,
    });
  };
}

/** The method, and the route as OpenAPI writes it; never the path itself, which may be anything. */
export function actionOf(context: Context): string {
  // The first that matches serves; what matches everything is middleware.
  const path = matchedRoutes(context).find((one) => one.path !== '/*')?.path ?? '(no such route)';
  return `${context.req.method} ${path.replace(/:(\w+)/g, '{$1}')}`;
}
