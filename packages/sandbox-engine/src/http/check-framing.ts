import type { IncomingMessage } from 'node:http';
import { HostError } from '../host-error.js';

/**
 * Refuses a request whose end Node's parser finds and another reader could find elsewhere (RFC 9112, section 6.1).
 *
 * @throws HostError 400, or 501 for a transfer coding that is not known here.
 */
export function checkFraming({ headers, httpVersion }: IncomingMessage): void {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return;
  if (httpVersion === '1.0') throw new HostError(400, 'HTTP/1.0 has no Transfer-Encoding.');
  if (coding.toLowerCase() === 'chunked') return;
  throw new HostError(501, `The transfer coding "${coding}" is not known here, only "chunked".`);
}
