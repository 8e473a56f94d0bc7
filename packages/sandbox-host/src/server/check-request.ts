import type { IncomingMessage } from 'node:http';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { checkFraming } from '@sandpiper/sandbox-engine/http/check-framing';

/**
 * Refuses a request that Node's parser takes and another reader could take for a different one, and brings the others
 * into the form in which they are read: a path, and the host beside it.
 *
 * @throws HostError 400, or 501 for a transfer coding that is not known here.
 */
export function checkRequest(request: IncomingMessage): void {
  checkFraming(request);
  if (countHosts(request.rawHeaders) > 1) {
    throw new HostError(400, 'A request must have one Host header (RFC 9112, section 3.2).');
  }
  if (!request.url?.startsWith('/')) toOriginForm(request);
}

function countHosts(rawHeaders: string[]): number {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts;
}

/** A whole URL says the host by itself, whatever the header says (RFC 9112, section 3.2.2). */
function toOriginForm(request: IncomingMessage): void {
  const { method, url = '', rawHeaders, headers } = request;
  if (url === '*' && method === 'OPTIONS') return;
  const [, host, path = ''] = /^https?:\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(url) ?? [];
  if (host === undefined) throw new HostError(400, `"${url}" is neither a path nor an http:// URL.`);
  request.url = path.startsWith('/') ? path : `/${path}`;
  headers.host = host;
  request.rawHeaders = ['Host', host];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== 'host')
      request.rawHeaders.push(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  }
}
