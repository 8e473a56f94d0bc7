import type { IncomingMessage } from 'node:http';
import { headers } from '@sandpiper/protocol';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** Headers that are about one connection and end with it (RFC 9110, section 7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What goes no further than this host: what is said to the platform, and what only the platform may say. */
const notForTheAgent: ReadonlySet<string> = new Set([
  ...hopByHop,
  headers.e2bSandboxId,
  headers.e2bSandboxPort,
  headers.e2bTrafficAccessToken,
  headers.gatewayToken,
  'x-api-key',
  // Answered here: by the time the request is handed on, its body is being sent.
  'expect',
]);

/** What the agent is sent, as a flat list of names and values. @param token - Says that the request came this way. */
export function requestHeaders(
  sandbox: Sandbox,
  port: number,
  request: IncomingMessage,
  token: string,
): string[] {
  const mask = sandbox.settings.network.maskRequestHost;
  const kept = endToEnd(request.rawHeaders, notForTheAgent, mask !== undefined);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: E2B's placeholder looks so.
  if (mask !== undefined) kept.push('Host', mask.replaceAll('${PORT}', String(port)));
  // Requests of HTTP/1.0 need none, those of HTTP/1.1 do (RFC 9112, section 3.2).
  else if (request.headers.host === undefined) kept.push('Host', `localhost:${port}`);
  kept.push(headers.gatewayToken, token);
  return kept;
}

/** What the caller is sent. */
export function responseHeaders(rawHeaders: string[]): string[] {
  return endToEnd(rawHeaders, hopByHop, false);
}

function endToEnd(rawHeaders: string[], dropped: ReadonlySet<string>, withoutHost: boolean): string[] {
  const kept: string[] = [];
  let named: Set<string> | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? '';
    const value = rawHeaders[i + 1] ?? '';
    if (name === 'connection' && !isPlain(value)) {
      named ??= new Set();
      for (const one of value.split(',')) named.add(one.trim().toLowerCase());
    }
    if (dropped.has(name) || (withoutHost && name === 'host')) continue;
    kept.push(rawHeaders[i] ?? '', value);
  }
  if (!named) return kept;
  const others: string[] = [];
  for (let i = 0; i < kept.length; i += 2) {
    if (!named.has(kept[i]?.toLowerCase() ?? '')) others.push(kept[i] ?? '', kept[i + 1] ?? '');
  }
  return others;
}

/** Whether a `Connection` header names no other header, as nearly all do. */
function isPlain(value: string): boolean {
  return value === 'keep-alive' || value === 'close';
}
