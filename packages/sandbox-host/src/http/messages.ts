import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** Answers with JSON and its length. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    // A host's response is for its caller: a shared cache would hand tokens to strangers.
    'cache-control': 'no-store',
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** How long the other end has to read why it is refused; then its connection is no one's. */
const lingerMs = 1_000;

/** Answers with JSON, and ends, on a connection that Node has handed over. */
export function refuseOn(
  socket: Duplex,
  status: number,
  message: string,
  { body = {}, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
): void {
  const text = JSON.stringify({ code: status, ...body, message });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    'cache-control: no-store',
    'connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
  // One that never closes its end would hold a descriptor for ever.
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(cut));
}

/** The path of a request and what is asked of it. Taken apart by hand: to `URL` a path such as `//` is a host, and none. */
export function targetOf({ url = '/' }: IncomingMessage): { pathname: string; query: URLSearchParams } {
  const mark = url.indexOf('?');
  if (mark < 0) return { pathname: url, query: new URLSearchParams() };
  return { pathname: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}

/** One value of a header that may have been sent several times. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
