import * as z from 'zod';
import type { Responses, Route } from './route.js';
import { errorSchema, schemaNames } from './schemas.js';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Describes routes as an OpenAPI 3.1 document, from the very schemas that check their requests and type their responses. */
export function describeRoutes(routes: Route[]): Record<string, unknown> {
  const schemas: Record<string, JsonSchema> = {};
  const toJsonSchema = (schema: z.ZodType): JsonSchema => {
    // Responses, too: what goes into a schema of `z.object` may have more fields than those described, so that a client
    // which was generated earlier takes a response that has got a new one. Wrapped, a named schema is always a reference.
    const { $defs, properties } = z.toJSONSchema(z.object({ schema }), {
      io: 'input',
      unrepresentable: 'any',
      metadata: schemaNames,
    });
    Object.assign(schemas, $defs);
    return properties?.schema as JsonSchema;
  };
  const paths: Record<string, Record<string, unknown>> = {};
  const refusal = {
    description: 'A refusal, in the form E2B gives them',
    content: { 'application/json': { schema: toJsonSchema(errorSchema) } },
  };
  for (const route of routes) {
    const item = paths[route.path] ?? {};
    paths[route.path] = item;
    const query = route.query ? queryParameters(toJsonSchema(route.query)) : [];
    item[route.method] = {
      summary: route.summary,
      ...(route.open ? { security: route.open === 'anybody' ? [] : [{ [route.open]: [] }] } : {}),
      parameters: [...pathParameters(route.path), ...query],
      ...(route.body
        ? { requestBody: { content: { 'application/json': { schema: toJsonSchema(route.body) } } } }
        : {}),
      ...(route.upload ? { requestBody: { content: { 'application/octet-stream': {} } } } : {}),
      responses: { ...successes(route, toJsonSchema, query), default: refusal },
    };
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'Sandpiper sandbox host',
      version: '1',
      description: "E2B's control plane, on one machine.",
    },
    security: [{ apiKey: [] }, { bearerKey: [] }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-KEY' },
        bearerKey: { type: 'http', scheme: 'bearer' },
        volumeToken: { type: 'http', scheme: 'bearer' },
      },
      schemas,
    },
  };
  // zod refers to named schemas in the place where JSON Schema has them.
  return JSON.parse(JSON.stringify(document).replaceAll('"#/$defs/', '"#/components/schemas/'));
}

function successes(
  { summary, responses }: { summary: string; responses: Responses },
  toJsonSchema: (schema: z.ZodType) => JsonSchema,
  query: { name: string }[],
): Record<string, unknown> {
  const headers = query.some(({ name }) => name === 'nextToken') && {
    'x-next-token': {
      description: 'What to send as `nextToken` for the next page; left out with the last one',
      schema: { type: 'string' },
    },
  };
  return Object.fromEntries(
    Object.entries(responses).map(([status, body]) => {
      const content =
        body === undefined
          ? undefined
          : typeof body === 'string'
            ? { [body]: {} }
            : { 'application/json': { schema: toJsonSchema(body) } };
      return [status, { description: summary, ...(headers && { headers }), ...(content && { content }) }];
    }),
  );
}

function pathParameters(path: string): unknown[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters({ properties = {}, required = [] }: JsonSchema): { name: string }[] {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}
