import { headers } from '@sandpiper/protocol';

/** Fields that are about one connection and end with it (RFC 9110, section 7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Fields with a meaning for the recipient of the message, or for where it ends. */
const forTheRecipient: ReadonlySet<string> = new Set([
  ...Object.values(headers),
  ...[
    'age',
    'allow',
    'authorization',
    'baggage',
    'cache-control',
    'cookie',
    'date',
    'etag',
    'expires',
    'forwarded',
  ],
  ...[
    'host',
    'last-modified',
    'link',
    'location',
    'origin',
    'pragma',
    'range',
    'referer',
    'retry-after',
    'server',
  ],
  ...['set-cookie', 'strict-transport-security', 'traceparent', 'tracestate', 'user-agent', 'vary', 'via'],
  ...['www-authenticate', 'x-accel-buffering', 'x-access-token', 'x-api-key', 'x-real-ip'],
]);
const kindsForTheRecipient = /^(?:accept|access-control|content|if|sec|x-forwarded)-|^accept$/;

/**
 * The fields of a message that go further than the connection it came by.
 *
 * @param rawHeaders - Names and values in turn, as the result.
 * @param drops - Whether a field, its name in lower case, is dropped besides.
 */
export function endToEnd(
  rawHeaders: string[],
  drops: (name: string, value: string) => boolean = () => false,
): string[] {
  const kept: string[] = [];
  let named: Set<string> | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? '';
    const value = rawHeaders[i + 1] ?? '';
    if (name === 'connection' && !isPlain(value)) {
      named ??= new Set();
      for (const one of value.split(',')) named.add(one.trim().toLowerCase());
    }
    if (!hopByHop.has(name) && !drops(name, value)) kept.push(rawHeaders[i] ?? '', value);
  }
  return named ? withoutNamed(kept, named) : kept;
}

/** Whether a `Connection` header names no other header, as nearly all do. */
function isPlain(value: string): boolean {
  return value === 'keep-alive' || value === 'close';
}

/**
 * Whether a field is for the recipient of a message. Such a field cannot be named away by `Connection`, which is how a
 * stranger would take out what a proxy on the way has put in; and it does not come behind the body, where it would
 * change what has been acted on (RFC 9110, section 6.5.1).
 */
function isForTheRecipient(name: string): boolean {
  return forTheRecipient.has(name) || kindsForTheRecipient.test(name);
}

/** Trailers that go further than the connection. */
export function endToEndTrailers(trailers: string[]): string[] {
  return endToEnd(trailers, isForTheRecipient);
}

function withoutNamed(fields: string[], named: Set<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]?.toLowerCase() ?? '';
    if (!named.has(name) || isForTheRecipient(name)) kept.push(fields[i] ?? '', fields[i + 1] ?? '');
  }
  return kept;
}
