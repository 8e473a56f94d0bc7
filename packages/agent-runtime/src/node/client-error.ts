import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusals } from '@sandpiper/protocol';
import { type BodyReply, jsonReply } from '../http/reply.js';

const statuses: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/** How long the other end has to read why it is refused; then its connection is no one's. */
const lingerMs = 1000;

/** Answers what is not an HTTP request at all. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else refuse(socket, statuses[error.code ?? ''] ?? 400);
}

/** Answers with an error, and closes, where there is no response object to answer with. */
export function refuse(
  socket: Duplex,
  status: number,
  { type = refusals.badRequest, headers = [] }: { type?: string; headers?: readonly string[] } = {},
): void {
  const message = STATUS_CODES[status] ?? 'Error';
  const body = errorBody(message, type);
  socket.end(
    [
      `HTTP/1.1 ${status} ${message}`,
      'content-type: application/json; charset=utf-8',
      'cache-control: no-store',
      `content-length: ${body.length}`,
      ...headers,
      'connection: close',
      `\r\n${body}`,
    ].join('\r\n'),
  );
  // One that never closes its end would hold a descriptor for ever.
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(cut));
}

/** Whether a request says which host it is for, once (RFC 9112, section 3.2). HTTP/1.0 need not. */
export function namesHost({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

/** Answers a request that {@link namesHost} is false of. */
export function withoutHost(): BodyReply {
  return jsonReply(
    400,
    errorBody('A request must have one Host header (RFC 9112, section 3.2).', refusals.badRequest),
  );
}

function errorBody(message: string, type: string): string {
  return JSON.stringify({ result: null, status: 'error', error: message, error_type: type });
}
