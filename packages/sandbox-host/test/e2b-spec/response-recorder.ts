import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { findTarget } from '../../src/gateway/target.js';
import { extraStatuses, ownPaths, partStatuses } from './extensions.js';
import { controlPlane, envd, findOperation, type Operation } from './operations.js';
import { error as errorSchema } from './schemas.js';

const envdPort = 49_983;
/** Connect's calls are held to their protobuf messages by the client. */
const isRpc = (path: string): boolean => /^\/[\w.]+\/[A-Z]\w+$/.test(path);
/** Node.js says so of every request that a server of this process takes. */
const channel = 'http.server.request.start';

/** One response as it went out. */
export interface RecordedResponse {
  status: number;
  contentType: string;
  body: Buffer;
}

/**
 * Holds every response of a host in this process to E2B's OpenAPI documents, from the side: the host does not know.
 * What a port of a sandbox responds with is its own business.
 */
export class ResponseRecorder implements Disposable {
  /** What was not as documented, each once. */
  readonly problems: Set<string> = new Set();
  /** The operations that succeeded, with their status: `POST /v2/sandboxes 201`. */
  readonly seen: Set<string> = new Set();
  readonly #port: number;

  /** @param port - Where the host listens. */
  constructor(port: number) {
    this.#port = port;
    subscribe(channel, this.#onRequest);
  }

  [Symbol.dispose](): void {
    unsubscribe(channel, this.#onRequest);
  }

  readonly #onRequest = (message: unknown): void => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    if (request.socket.localPort !== this.#port) return;
    const pieces: Buffer[] = [];
    let given: unknown;
    const contentType = (): string =>
      contentTypeOf(given) ?? String(response.getHeader('content-type') ?? '');
    const keep = (piece: unknown, encoding: unknown): void => {
      if (!isJson(contentType())) return;
      if (typeof piece === 'string') pieces.push(Buffer.from(piece, encodingOf(encoding)));
      else if (piece instanceof Uint8Array) pieces.push(Buffer.from(piece));
    };
    const { writeHead, write, end } = response;
    response.writeHead = ((...args: unknown[]) => {
      given = args.at(-1);
      return writeHead.apply(response, args as Parameters<typeof writeHead>);
    }) as typeof writeHead;
    response.write = ((...args: unknown[]) => {
      keep(args[0], args[1]);
      return write.apply(response, args as Parameters<typeof write>);
    }) as typeof write;
    response.end = ((...args: unknown[]) => {
      // end() may hand its piece to write().
      response.write = write;
      keep(args[0], args[1]);
      return end.apply(response, args as Parameters<typeof end>);
    }) as typeof end;
    response.once('finish', () =>
      this.#look(request, {
        status: response.statusCode,
        contentType: contentType(),
        body: Buffer.concat(pieces),
      }),
    );
  };

  #look(request: IncomingMessage, response: RecordedResponse): void {
    const { method = '', url = '' } = request;
    const path = url.split('?', 1)[0] ?? '';
    if (method === 'OPTIONS' || method === 'HEAD') return;
    const port = portOf(request);
    if (port === envdPort ? isRpc(path) : port !== undefined) return;
    if (port === undefined && ownPaths.some((one) => one.test(path))) return;
    const isEnvd = port === envdPort || /[?&]signature=/.test(url);
    const found = findOperation(isEnvd ? envd : controlPlane, method, path);
    const problem = found
      ? problemOf(found, response)
      : response.status >= 400
        ? problemOfRefusal(response)
        : 'is no operation of E2B';
    if (problem) this.problems.add(`${found?.name ?? `${method} ${path}`} ${response.status}: ${problem}`);
    else if (found && response.status < 400) this.seen.add(`${found.name} ${response.status}`);
  }
}

function problemOf(operation: Operation, response: RecordedResponse): string | undefined {
  const { status, contentType, body } = response;
  if (partStatuses[operation.name]?.includes(status)) return undefined;
  if (status >= 400) {
    const { refusals, name, part } = operation;
    const statuses = [refusals, extraStatuses[part], extraStatuses[name]].flat();
    return statuses.includes(status) ? problemOfRefusal(response) : 'this status is not documented';
  }
  if (!(status in operation.success)) return 'this status is not documented';
  const schema = operation.success[status];
  if (schema === 'bytes') return isJson(contentType) ? 'JSON in place of bytes' : undefined;
  if (schema === undefined) return undefined;
  if (!isJson(contentType)) return `the content type is "${contentType}"`;
  return issuesOf(schema, body);
}

function problemOfRefusal({ status, contentType, body }: RecordedResponse): string | undefined {
  if (!isJson(contentType)) return `the content type is "${contentType}"`;
  const issues = issuesOf(errorSchema, body);
  if (issues) return issues;
  const { code } = JSON.parse(body.toString()) as { code: number };
  return code === status ? undefined : `the code is ${code}`;
}

function issuesOf(
  schema: typeof errorSchema | NonNullable<Exclude<Operation['success'][number], 'bytes'>>,
  body: Buffer,
): string | undefined {
  const parsed = schema.safeParse(JSON.parse(body.toString()));
  // An index says nothing about the kind.
  const say = (path: PropertyKey[]): string =>
    path.map((part) => (typeof part === 'number' ? '[]' : String(part))).join('.');
  return parsed.error?.issues.map(({ path, message }) => `${say(path)}: ${message}`).join('; ');
}

function isJson(contentType: string): boolean {
  return /^application\/json/.test(contentType);
}

/** Node.js does not keep the headers that writeHead() is given: an object, or names and values in turn. */
function contentTypeOf(headers: unknown): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const flat = Array.isArray(headers) ? headers.flat() : Object.entries(headers).flat();
  const at = flat.findIndex((one, index) => index % 2 === 0 && String(one).toLowerCase() === 'content-type');
  return at < 0 ? undefined : String(flat[at + 1]);
}

function encodingOf(encoding: unknown): BufferEncoding {
  return typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8';
}

/** The port of a sandbox a request is for; whatever cannot be read is for the control plane to refuse. */
function portOf(request: IncomingMessage): number | undefined {
  try {
    return findTarget(request)?.port;
  } catch {
    return undefined;
  }
}
