import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

const statuses: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/** Answers what is not an HTTP request at all. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else refuse(socket, statuses[error.code ?? ''] ?? 400);
}

/** Answers with an error, and closes, where there is no response object to answer with. */
export function refuse(socket: Duplex, status: number, ...headers: string[]): void {
  const message = STATUS_CODES[status] ?? 'Error';
  const body = JSON.stringify({ result: null, status: 'error', error: message, error_type: 'RequestError' });
  socket.end(
    [
      `HTTP/1.1 ${status} ${message}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${body.length}`,
      ...headers,
      'connection: close',
      `\r\n${body}`,
    ].join('\r\n'),
  );
}
