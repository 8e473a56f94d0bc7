import type { IncomingMessage } from 'node:http';
import { headers } from '@sandpiper/protocol';
import { endToEnd } from '@sandpiper/sandbox-engine/http/hop-by-hop';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** What goes no further than this host: what is said to the platform, and what only the platform may say. */
const notForTheAgent: ReadonlySet<string> = new Set([
  headers.e2bSandboxId,
  headers.e2bSandboxPort,
  headers.e2bTrafficAccessToken,
  headers.gatewayToken,
  'x-api-key',
  // Written from what is sent.
  'content-length',
  // Answered here: by the time the request is handed on, its body is being sent.
  'expect',
]);

/** What a request is sent on with. */
export interface RequestHeadersOptions {
  sandbox: Sandbox;
  port: number;
  /** Says that the request came this way. */
  token: string;
  /** The host's own key: callers that take host and agent for one send it along. */
  apiKey: string;
}

/** What the agent is sent, as a flat list of names and values. */
export function requestHeaders(
  request: IncomingMessage,
  { sandbox, port, token, apiKey }: RequestHeadersOptions,
): string[] {
  const mask = sandbox.settings.network.maskRequestHost;
  const kept = endToEnd(
    request.rawHeaders,
    (name, value) =>
      notForTheAgent.has(name) || (mask !== undefined && name === 'host') || holdsKey(value, apiKey),
  );
  // biome-ignore lint/suspicious/noTemplateCurlyInString: E2B's placeholder looks so.
  if (mask !== undefined) kept.push('Host', mask.replaceAll('${PORT}', String(port)));
  // Requests of HTTP/1.0 need none, those of HTTP/1.1 do (RFC 9112, section 3.2).
  else if (request.headers.host === undefined) kept.push('Host', `localhost:${port}`);
  kept.push(headers.gatewayToken, token);
  return kept;
}

/** Whether a value is a key or holds it, as `Bearer <key>`, `a=b; token=<key>` and Basic credentials do. */
function holdsKey(value: string, key: string): boolean {
  // As most are.
  if (value.length < key.length) return false;
  for (let at = value.indexOf(key); at >= 0; at = value.indexOf(key, at + 1)) {
    // A key that is a part of a word is not the key.
    const [before = '', after = ''] = [value[at - 1], value[at + key.length]];
    if (!/\w/.test(before) && !/\w/.test(after)) return true;
  }
  const [, basic] = /^basic +([\w+/]+=*)$/i.exec(value) ?? [];
  return basic !== undefined && holdsKey(Buffer.from(basic, 'base64').toString(), key);
}

/** By what a request names its sandbox and opens it: to a cache that does not know, the same path is the same thing. */
const variesBy = ['Host', headers.e2bSandboxId, headers.e2bSandboxPort, headers.e2bTrafficAccessToken].join(
  ', ',
);
/** What an agent answers for this moment and this caller only (docs/wire-protocol.md, "Responses"). */
const momentary = /^\/(?:ping|metrics|invocations)(?:[/?]|$)/;

/** What the caller of a URL is sent. */
export function responseHeaders(url: string | undefined, status: number, rawHeaders: string[]): string[] {
  // Without a body there is no length, and a second one says the same.
  let hasLength = status === 204;
  let isEventStream = false;
  let saysBuffering = false;
  let saysCaching = false;
  const kept = endToEnd(rawHeaders, (name, value) => {
    switch (name) {
      case 'content-length': {
        const isSecond = hasLength;
        hasLength = true;
        return isSecond;
      }
      case 'content-type':
        isEventStream = /^text\/event-stream\b/i.test(value);
        break;
      case 'x-accel-buffering':
        saysBuffering = true;
        break;
      case 'cache-control':
        saysCaching = true;
    }
    return false;
  });
  kept.push('Vary', variesBy);
  // Nginx would hold the events back until there are many.
  if (isEventStream && !saysBuffering) kept.push('X-Accel-Buffering', 'no');
  if (!saysCaching && momentary.test(url ?? '')) kept.push('Cache-Control', 'no-store');
  return kept;
}
