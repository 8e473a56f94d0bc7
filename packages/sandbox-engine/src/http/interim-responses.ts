import type { ServerResponse } from 'node:http';

/** An interim answer, such as 103: its fields are names and values in turn. */
export interface Interim {
  status: number;
  reason: string;
  fields: string[];
}

/**
 * Hands an interim answer on before the one that counts, as RFC 9110, section 15.2 demands of a proxy. Node has a method
 * for some of them only.
 *
 * @param resume - Called once when more can follow, where that is not at once; undefined when that is awaited already.
 * @returns Whether more can follow at once.
 */
export function writeInterim(
  response: ServerResponse,
  interim: Interim,
  resume: (() => void) | undefined,
): boolean {
  const { req, socket } = response;
  // A caller of HTTP/1.0 does not know them.
  if (req.httpVersion === '1.0' || response.headersSent || response.destroyed) return true;
  const text = interimHead(interim);
  if (socket) {
    const isReady = socket.write(text, 'latin1');
    if (!isReady && resume) socket.once('drain', resume);
    return isReady;
  }
  // It was asked for behind another request, whose answer is still being written.
  waiting.set(response, (waiting.get(response) ?? '') + text);
  if (resume) {
    response.once('socket', (assigned) => {
      assigned.write(waiting.get(response) ?? '', 'latin1');
      resume();
    });
  }
  return false;
}

/** What is to be written when a response has its turn. */
const waiting = new WeakMap<ServerResponse, string>();

/** As it is written. */
export function interimHead({ status, reason, fields }: Interim): string {
  let head = `HTTP/1.1 ${status} ${reason}\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${head}\r\n`;
}
