import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Context, Hono } from 'hono';
import type * as z from 'zod';
import { readJson } from '../http/read-body.js';
import { bareId } from '../sandboxes/identifiers.js';
import { findNul } from './find-nul.js';
import type { Findings } from './report-decisions.js';

/**
 * The responses of success by their status: the schema of JSON, the media type of anything else, or `undefined` for no
 * body. The lowest status is the one of a reply that names none.
 */
export type Responses = Record<number, z.ZodType | string | undefined>;

/** What the JSON of these responses is made from. */
type BodyOf<R extends Responses> = {
  [Status in keyof R]: R[Status] extends z.ZodType<infer Body> ? Body : never;
}[keyof R];

/** One call of the control plane, described so that it can be checked, served and documented from one place. */
export interface Route<
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  R extends Responses = Responses,
> {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With parameters as `{sandboxID}`, as OpenAPI writes them. */
  path: string;
  summary: string;
  query?: Query;
  /** A body that is left out is checked as `{}`. Made of `z.strictObject`: what is not understood is refused by its name. */
  body?: Body;
  responses: R;
  /** Whether the body is bytes, which the handler reads by itself. */
  upload?: boolean;
  /** Which callers need no API key: all, or those that show the token of the volume, which the handler checks. */
  open?: 'anybody' | 'volumeToken';
  handle: (call: Call<z.output<Query>, z.output<Body>>) => Reply<BodyOf<R>> | Promise<Reply<BodyOf<R>>>;
}

/** What a handler is called with. */
export interface Call<Query = unknown, Body = unknown> {
  params: Record<string, string>;
  query: Query;
  body: Body;
  context: Context<Findings>;
  signal: AbortSignal;
}

/** What a handler answers with: the body, and what differs from the route's own status and headers. */
export interface Reply<Body = unknown> {
  body?: Body;
  /** In place of a body: what is not JSON. `headers` say what it is. */
  content?: string | ReadableStream<Uint8Array>;
  status?: number;
  headers?: Record<string, string>;
  /** The sandbox it made, for the record. */
  sandboxId?: string;
}

/** Describes a route with the types of its schemas. */
export function route<Query extends z.ZodType, Body extends z.ZodType, R extends Responses>(
  definition: Route<Query, Body, R>,
): Route {
  return definition as unknown as Route;
}

/** Serves a route. */
export function mount(app: Hono<Findings>, { method, path, query, body, responses, handle }: Route): void {
  const [usualStatus] = Object.keys(responses);
  app.on(method.toUpperCase(), path.replace(/\{(\w+)\}/g, ':$1'), async (context) => {
    const params: Record<string, string> = context.req.param();
    if (params.sandboxID) {
      params.sandboxID = bareId(params.sandboxID);
      context.set('sandboxId', params.sandboxID);
    }
    const reply = await handle({
      params,
      query: query ? check(query, context.req.query(), 'query') : undefined,
      body: body ? check(body, await readJson(context.env.incoming), 'body') : undefined,
      context,
      signal: context.req.raw.signal,
    });
    if (reply.sandboxId) context.set('sandboxId', reply.sandboxId);
    const answer = { status: reply.status ?? Number(usualStatus), headers: { ...reply.headers } };
    if (reply.body !== undefined) return Response.json(reply.body, answer);
    if (reply.content !== undefined) return new Response(reply.content, answer);
    // The SDK takes a body for JSON unless it is told that there is none.
    if (answer.status !== 204) Object.assign(answer.headers, { 'content-length': '0' });
    return new Response(null, answer);
  });
}

function check<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new HostError(400, parsed.error.issues.flatMap((issue) => inWords(issue, where)).join('; '));
  }
  const nul = findNul(value);
  if (nul !== undefined) throw new HostError(400, `${where}${nul}: cannot hold a NUL character`);
  return parsed.data;
}

function inWords(issue: z.core.$ZodIssue, where: string): string[] {
  const place = [where, ...issue.path].join('.');
  if (issue.code !== 'unrecognized_keys') return [`${place}: ${issue.message}`];
  return issue.keys.map((key) => `${place}.${key}: is not known here`);
}
