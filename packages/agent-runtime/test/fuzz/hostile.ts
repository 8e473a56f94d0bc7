import fc from 'fast-check';

/** A request that is well framed, whatever is in it. */
export interface HostileRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** A request to run the agent. */
export function post(body: Buffer): HostileRequest {
  return { method: 'POST', target: '/invocations', headers: [], body };
}

/** A request as bytes. Its length is right, unless a header says otherwise before it. */
export function encode({ method, target, headers, body }: HostileRequest): Buffer {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'host: agent',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

const pollution = fc.constantFrom(
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"sandbox_id":{"__proto__":{"polluted":true}},"__proto__":null}',
  '{"toJSON":1,"then":1,"length":-1,"hasOwnProperty":0,"__defineGetter__":0}',
  '[{"__proto__":[],"prototype":{"polluted":1}}]',
);
const deep = fc
  .tuple(fc.constantFrom('[', '{"a":', '[{"a":'), fc.integer({ min: 1, max: 8000 }), fc.boolean())
  .map(([open, depth, closed]) => {
    const close = open === '[' ? ']' : open === '{"a":' ? '}' : '}]';
    return open.repeat(depth) + (closed ? `1${close.repeat(depth)}` : '');
  });
const json = fc.json({ maxDepth: 4, stringUnit: 'binary' });
const brokenJson = fc
  .tuple(json, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
  .map(([text, at, put]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + put + text.slice(place + 1);
  });
const oddNumbers = fc.constantFrom('1e999', '-0', '1e-999', '12345678901234567890', '"\\ud800"', 'NaN', '');

/** Bodies: JSON, nearly JSON, other encodings of it, and bytes; some over the limit. */
export const bodies: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: json.map((text) => Buffer.from(text)) },
  { weight: 4, arbitrary: brokenJson.map((text) => Buffer.from(text)) },
  { weight: 2, arbitrary: pollution.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: deep.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: oddNumbers.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: json.map((text) => Buffer.from(text, 'utf16le')) },
  { weight: 1, arbitrary: json.map((text) => Buffer.from(`\ufeff${text}`)) },
  { weight: 1, arbitrary: json.map((text) => Buffer.from(`"\u00ff${text}"`, 'latin1')) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.integer({ min: 65_530, max: 65_545 }).map((size) => Buffer.alloc(size, '1')) },
);

/** What a header's value may be made of (RFC 9110, section 5.5). */
const headerText = fc
  .string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
    maxLength: 40,
  })
  .map((text) => text.trim());
const ids = fc.oneof(
  headerText,
  fc.constantFrom('', '0', '1', '-1', '00', '1.5', '1e3', 'NaN', '9'.repeat(30), '__proto__', 'constructor'),
  fc.constantFrom('a'.repeat(256), 'a'.repeat(257), 'x'.repeat(4000), '"', "'; --", '../..', '%00', '\t\t'),
  // Few enough that requests meet invocations of others.
  fc.constantFrom('key-1', 'key-2', 'key-3', 'key-4'),
);

/** Headers that the runtime reads, with values it does not expect. */
export const hostileHeaders: fc.Arbitrary<[string, string][]> = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constantFrom(
        'idempotency-key',
        'last-event-id',
        'x-request-id',
        'x-amzn-bedrock-agentcore-runtime-request-id',
        'x-amzn-bedrock-agentcore-runtime-session-id',
        'x-sandbox-id',
        'if-runtime-instance',
        'x-stream-protocol',
        'traceparent',
        'tracestate',
        'baggage',
        'origin',
        'access-control-request-headers',
        'access-control-request-method',
        'content-type',
        'accept',
        'accept-encoding',
        'authorization',
        'cookie',
        'x-forwarded-for',
        '__proto__',
        'constructor',
      ),
      ids,
    ),
    fc.constantFrom<[string, string]>(
      ['x-stream-protocol', 'resumable-1'],
      ['x-agent', 'stream'],
      ['content-type', 'application/json; charset=utf-16'],
      ['origin', 'https://page.example'],
      ['expect', '100-continue'],
      ['connection', 'keep-alive'],
    ),
  ),
  { maxLength: 6 },
);

const encodedText = fc
  .string({ unit: 'binary', maxLength: 12 })
  .filter((text) => !/\p{Surrogate}/u.test(text))
  .map(encodeURIComponent);
const segments = fc.oneof(
  encodedText,
  fc.constantFrom(
    'key-1',
    'key-2',
    '__proto__',
    'constructor',
    '%',
    '%zz',
    '%0d%0aset-cookie:%20a',
    '%E2%9C%93',
  ),
  fc.constantFrom('%C3%28', '%00', '..', '.', '', 'a'.repeat(3000), ';', '&', '@', 'events', '\u00e4'),
);

/** Request targets: the runtime's own, with parts it does not expect, and others. */
export const targets: fc.Arbitrary<string> = fc.oneof(
  segments.map((id) => `/invocations/${id}`),
  segments.map((id) => `/invocations/${id}/events`),
  fc.array(segments, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
  fc
    .tuple(fc.constantFrom('/invocations', '/ping', '/', '/metrics', '/ws'), segments)
    .map(([path, query]) => `${path}?${query}`),
  fc.constantFrom('/invocations', '/ping', '/', '/metrics', '/ws', '/invocations/', '//invocations', '/PING'),
  fc.constantFrom(
    'http://other.example/ping',
    'http://[::1',
    '*',
    '/invocations#a',
    '/\\ping',
    'ping',
    'https://a:b@c/',
  ),
);

/** Methods: those of HTTP, and those of its extensions that Node knows. */
export const methods: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE'),
  fc.constantFrom('PROPFIND', 'LOCK', 'M-SEARCH', 'PURGE', 'SEARCH', 'MKCOL', 'QUERY', 'REPORT', 'SOURCE'),
);
