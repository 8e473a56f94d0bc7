import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { MiddlewareHandler } from 'hono';
import { keyId } from '../events/key-id.js';
import { sameSecret } from '../http/same-secret.js';
import type { Findings } from './report-decisions.js';
import { namesNoSandbox } from './unknown-host.js';

/** Admits callers that show the key: by `X-API-KEY`, as E2B's SDK does, or as a bearer token, as PPIO's does. */
export function requireKey(apiKey: string): MiddlewareHandler<Findings> {
  const actor = keyId('key', apiKey);
  return async (context, next) => {
    const [, bearer] = /^bearer +(\S+) *$/i.exec(context.req.header('authorization') ?? '') ?? [];
    const given = context.req.header('x-api-key') ?? bearer;
    if (given === undefined) {
      const message = 'The API key is missing: "X-API-KEY: <key>" or "Authorization: Bearer <key>".';
      throw new HostError(401, `${message} ${namesNoSandbox(context)}`);
    }
    if (!sameSecret(given, apiKey)) throw new HostError(401, 'The API key is not valid.');
    context.set('actor', actor);
    await next();
  };
}
