import { connect, type Socket } from 'node:net';

/** What a server answered, as it was on the wire. */
export interface RawResponse {
  readonly status: number;
  /** Names in lower case; a name that came twice has both values. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: Buffer;
}

/** No request takes the server a hundredth of it, not even on a busy machine; what takes longer hangs. */
const hangsAfterMs = 60_000;

/** Asks one request after the other over a connection, and over another when the server has closed that. */
export class Connection {
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Rejects when there is no answer: the connection hangs, or closes. */
  async ask(request: Buffer, method: string): Promise<RawResponse> {
    this.#socket ??= open(this.#port);
    const [response] = await read(this.#socket, {
      methods: [method],
      begin: (socket) => socket.write(request),
    });
    if (!response) {
      this.close();
      throw new Error('The connection was closed without an answer.');
    }
    if (response.headers.get('connection')?.[0]?.toLowerCase() === 'close') this.close();
    return response;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

/** How bytes are sent that may be anything. */
export interface SendOptions {
  /** What comes before the last, each sent for itself. */
  readonly pieces: readonly Buffer[];
  /** The methods of the requests that must be answered, if it is known which. Default: reads until the server closes. */
  readonly methods?: readonly string[];
  /** What is done when all is sent: sending the end of the stream, or leaving at once. Default: nothing. */
  readonly after?: 'end' | 'leave';
}

/** Sends bytes over a connection of their own and reads the answers. Rejects when the connection hangs. */
export async function send(port: number, { pieces, methods, after }: SendOptions): Promise<RawResponse[]> {
  const socket = open(port, after === 'end');
  const responses = await read(socket, {
    methods: methods ?? [],
    begin: () => {
      for (const piece of pieces) socket.write(piece);
      if (after === 'end') socket.end();
      if (after === 'leave') socket.destroySoon();
    },
  });
  socket.destroy();
  return responses;
}

function open(port: number, allowHalfOpen = false): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen });
  // A reset is one way of closing: what counts is what was answered before.
  return socket.on('error', () => {});
}

interface ReadOptions {
  readonly methods: readonly string[];
  readonly begin: (socket: Socket) => void;
}

/** Reads as many answers as there are methods, or else all until the server closes. */
function read(socket: Socket, { methods, begin }: ReadOptions): Promise<RawResponse[]> {
  let received: Buffer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer);
      for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
      resolve(parseResponses(received, methods));
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`The connection hangs; it has got ${JSON.stringify(String(received).slice(0, 1000))}`),
      );
    }, hangsAfterMs);
    const listeners = {
      data: (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        if (methods.length > 0 && parseResponses(received, methods).length >= methods.length) settle();
      },
      end: settle,
      close: settle,
    };
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    begin(socket);
  });
}

function parseResponses(bytes: Buffer, methods: readonly string[]): RawResponse[] {
  const responses: RawResponse[] = [];
  for (let rest = bytes; ; ) {
    const parsed = parseResponse(rest, methods[responses.length]);
    if (!parsed) return responses;
    rest = parsed.rest;
    // What only says that one may go on is no answer.
    if (parsed.response.status !== 100) responses.push(parsed.response);
    // What follows is another protocol.
    if (parsed.response.status === 101) return responses;
  }
}

interface Parsed {
  readonly response: RawResponse;
  readonly rest: Buffer;
}

function parseResponse(bytes: Buffer, method: string | undefined): Parsed | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]+): ?(.*)$/.exec(line) ?? [];
    headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value]);
  }
  const hasBody = method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304;
  const found = parseBody(bytes.subarray(end + 4), hasBody, headers);
  return found && { response: { status, headers, body: found.body }, rest: found.rest };
}

function parseBody(
  bytes: Buffer,
  hasBody: boolean,
  headers: ReadonlyMap<string, readonly string[]>,
): { body: Buffer; rest: Buffer } | undefined {
  if (hasBody && headers.get('transfer-encoding')?.[0] === 'chunked') return parseChunks(bytes);
  const length = hasBody ? Number(headers.get('content-length')?.[0] ?? 0) : 0;
  if (bytes.length < length) return undefined;
  return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

function parseChunks(bytes: Buffer): { body: Buffer; rest: Buffer } | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), rest: bytes.subarray(next) };
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}
