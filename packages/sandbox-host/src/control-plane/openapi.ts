import * as z from 'zod';
import type { Route } from './route.js';

const errorResponse = {
  description: 'A refusal, in the form E2B gives them',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

/** Describes routes as an OpenAPI 3.1 document, from the very schemas that check their requests. */
export function describeRoutes(routes: Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const item = paths[route.path] ?? {};
    paths[route.path] = item;
    item[route.method] = {
      summary: route.summary,
      ...(route.open ? { security: route.open === 'anybody' ? [] : [{ [route.open]: [] }] } : {}),
      parameters: [...pathParameters(route.path), ...queryParameters(route)],
      ...(route.body
        ? { requestBody: { content: { 'application/json': { schema: toJsonSchema(route.body) } } } }
        : {}),
      ...(route.upload ? { requestBody: { content: { 'application/octet-stream': {} } } } : {}),
      responses: {
        ...(route.status < 400 ? { [route.status]: { description: route.summary } } : {}),
        default: errorResponse,
      },
    };
  }
  return {
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
      schemas: {
        Error: {
          type: 'object',
          properties: { code: { type: 'integer' }, message: { type: 'string' } },
          required: ['code', 'message'],
        },
      },
    },
  };
}

function pathParameters(path: string): unknown[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters({ query }: Route): unknown[] {
  if (!query) return [];
  const { properties = {}, required = [] } = toJsonSchema(query);
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function toJsonSchema(schema: z.ZodType): z.core.JSONSchema.BaseSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}
