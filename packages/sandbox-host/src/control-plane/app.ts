import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import { type Context, Hono } from 'hono';
import type { ApiEvents } from '../events/api-events.js';
import { describeRoutes } from './openapi.js';
import { publishResponses } from './publish-responses.js';
import { type Findings, tellDecisions } from './report-decisions.js';
import { requireKey } from './require-key.js';
import { mount, type Route } from './route.js';
import { namesNoSandbox } from './unknown-host.js';

/** Serves routes to callers that have the key. Every refusal is `{code, message}`, by which E2B's SDK goes. */
export function createApi(
  routes: Route[],
  { apiKey, events, logger }: { apiKey: string; events: ApiEvents; logger: Logger },
): Hono<Findings> {
  const app = new Hono<Findings>();
  const description = describeRoutes(routes);
  app.use(tellDecisions(events));
  app.use(publishResponses(description));
  app.get('/openapi.json', (context) => context.json(description));
  app.get('/health', (context) => context.text('The sandbox host is running.'));
  for (const one of routes.filter(({ open }) => open)) mount(app, one);
  app.use(requireKey(apiKey));
  for (const one of routes.filter(({ open }) => !open)) mount(app, one);
  app.notFound((context) => {
    throw notFound(context);
  });
  app.onError((error, { env: { incoming } }) => {
    const refusal = HostError.isInstance(error) ? error : shortageOf(error);
    if (refusal) {
      const { status, message } = refusal;
      const retry = status === 503 || status === 429 ? { 'Retry-After': '1' } : undefined;
      return Response.json({ code: status, message }, { status, ...(retry ? { headers: retry } : {}) });
    }
    // A caller that left in the middle gets no response, and nothing is wrong.
    if (incoming.destroyed && !incoming.complete) {
      return Response.json({ code: 400, message: 'The request was cut.' }, { status: 400 });
    }
    if (error.name !== 'AbortError')
      logger.error({ err: error }, `${incoming.method} ${incoming.url} failed`);
    return Response.json(
      { code: 500, message: 'The sandbox host failed; its log says more.' },
      { status: 500 },
    );
  });
  return app;
}

function notFound(context: Context): HostError {
  const { method, path } = context.req;
  return new HostError(404, `There is no ${method} ${path} on this host. ${namesNoSandbox(context)}`);
}
