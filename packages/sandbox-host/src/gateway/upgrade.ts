import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { endToEnd } from '@sandpiper/sandbox-engine/http/hop-by-hop';
import { interimHead } from '@sandpiper/sandbox-engine/http/interim-responses';

/** A request to change protocols, such as a WebSocket's. */
export interface UpgradeRequest {
  request: IncomingMessage;
  socket: Duplex;
  /** What came behind the request's headers already. */
  head: Buffer;
  headers: string[];
}

/**
 * Asks the sandbox to change protocols and joins the two connections when it does; its refusal is handed on.
 *
 * @throws the connection's error when nothing has been answered yet.
 */
export function upgrade(
  connection: Socket,
  { request, socket, head, headers }: UpgradeRequest,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const upstream = httpRequest({
      createConnection: () => connection,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: [...headers, 'Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? ''],
      setHost: false,
    });
    const gone = (): void => {
      upstream.destroy();
    };
    socket.once('close', gone);
    upstream.once('error', reject);
    upstream.on('information', ({ statusCode: status, statusMessage: reason, rawHeaders }) => {
      socket.write(interimHead({ status, reason, fields: endToEnd(rawHeaders) }), 'latin1');
    });
    upstream.once('upgrade', (answer, other: Duplex, otherHead: Buffer) => {
      socket.write(
        headOf(answer, ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? '']),
        'latin1',
      );
      socket.write(otherHead);
      other.write(head);
      socket.pipe(other).pipe(socket);
      const end = (): void => {
        socket.destroy();
        other.destroy();
      };
      for (const side of [socket, other]) side.once('error', end).once('close', end);
      resolve();
    });
    upstream.once('response', (answer) => {
      // The connection ends with the refusal, whose end is therefore plain.
      socket.write(headOf(answer, ['Connection', 'close']), 'latin1');
      answer.pipe(socket);
      answer.once('error', () => socket.destroy());
      resolve();
    });
    upstream.end();
  });
}

function headOf(answer: IncomingMessage, added: string[]): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  const headers = [...endToEnd(answer.rawHeaders), ...added];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
