import { Ajv2020 as Ajv, type AnySchemaObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** A response as a test sees it. */
export interface SeenResponse {
  document: Record<string, unknown>;
  /** Such as `GET /sandboxes/{sandboxID}`. */
  action: string;
  status: number;
  contentType: string;
  body: string;
}

type Described = { content?: Record<string, unknown> } | undefined;
interface Document {
  paths: Record<string, Record<string, { responses: Record<string, Described> }>>;
}

/** What is served besides the routes, and is described by being asked for. */
const undescribed = ['GET /openapi.json', 'GET /health'];
const schemas = new WeakMap<object, Ajv>();

/** In what a response differs from the OpenAPI document. Fields that are not described count, although clients may meet some. */
export function problemOf({ document, action, status, contentType, body }: SeenResponse): string | undefined {
  const [method = '', path = ''] = action.split(' ');
  // Its content is that of GET, left out.
  if (method === 'HEAD' || undescribed.includes(action)) return undefined;
  const responses = (document as unknown as Document).paths[path]?.[method.toLowerCase()]?.responses;
  const isRefusal = status >= 400;
  if (!responses && !isRefusal) return `${action} ${status}: the route is not described`;
  const key = responses && status in responses ? String(status) : 'default';
  if (key === 'default' && !isRefusal) return `${action} ${status}: the status is not described`;
  const described = key === 'default' ? errorContent : responses?.[key]?.content;
  const found = problemOfContent(described);
  return found === undefined ? undefined : `${action} ${status}: ${found}`;

  function problemOfContent(content: Record<string, unknown> | undefined): string | undefined {
    if (content === undefined) return body === '' ? undefined : 'has a body that is not described';
    const type = Object.keys(content).find((one) => one === '*/*' || contentType.startsWith(one));
    if (type === undefined) return `the content type is "${contentType}"`;
    if (type !== 'application/json') return undefined;
    const pointer =
      key === 'default'
        ? '/components/schemas/Error'
        : `/paths/${pointerPart(path)}/${method.toLowerCase()}/responses/${key}/content/application~1json/schema`;
    return problemOfJson(document, pointer, JSON.parse(body)) ?? problemOfCode(JSON.parse(body));
  }

  function problemOfCode(json: { code?: number }): string | undefined {
    return key === 'default' && json.code !== status ? `the code is ${json.code}` : undefined;
  }
}

const errorContent = { 'application/json': {} };

function problemOfJson(document: object, pointer: string, json: unknown): string | undefined {
  let ajv = schemas.get(document);
  if (!ajv) {
    ajv = new Ajv({ strict: false, allErrors: true });
    addFormats.default(ajv);
    ajv.addSchema(closed(document) as AnySchemaObject, 'openapi');
    schemas.set(document, ajv);
  }
  const validate = ajv.getSchema(`openapi#${pointer}`);
  if (!validate) return `there is no schema at ${pointer}`;
  if (validate(json)) return undefined;
  return (validate.errors ?? [])
    .map(({ instancePath, message, params }) => {
      // An index says nothing about the kind.
      const place = instancePath.replace(/\/\d+/g, '/[]');
      return `${place}: ${message}${params.additionalProperty ? ` "${params.additionalProperty}"` : ''}`;
    })
    .join('; ');
}

/** The same, with every object closed that has described fields. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, closed(inner)]));
  return copy.type === 'object' && copy.properties && copy.additionalProperties === undefined
    ? { ...copy, additionalProperties: false }
    : copy;
}

function pointerPart(path: string): string {
  return encodeURIComponent(path.replaceAll('~', '~0').replaceAll('/', '~1'));
}
