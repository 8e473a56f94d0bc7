import type { IncomingMessage, ServerResponse } from 'node:http';
import { endToEnd, endToEndTrailers } from '@sandpiper/sandbox-engine/http/hop-by-hop';
import { writeInterim } from '@sandpiper/sandbox-engine/http/interim-responses';
import { responseHeaders } from './headers.js';
import { type AnswerListener, AnswerParser } from './response-parser.js';
import type { Connection, ConnectionUser } from './upstream.js';

/** One request on its way into a sandbox. */
export interface Forwarding {
  request: IncomingMessage;
  response: ServerResponse;
  /** Names and values, as the sandbox is sent them. */
  headers: string[];
  /** Called when the answer begins. */
  answered: () => void;
}

/** A connection that was kept was closed by its server before it said a word about this request. */
export class StaleConnectionError extends Error {}

/**
 * Sends a request on and its answer back, bodies streaming both ways.
 *
 * @throws StaleConnectionError, or the connection's error, when nothing has been answered yet.
 */
export function forward(connection: Connection, forwarding: Forwarding): Promise<void> {
  return new Promise((resolve, reject) => {
    new Exchange(connection, forwarding, resolve, reject).start();
  });
}

/** Bodies of up to this many bytes are joined with their heads. */
const joinedBytes = 4096;

/** A request and its answer on a connection. Either side is read no faster than the other takes it. */
class Exchange implements ConnectionUser, AnswerListener {
  readonly #parser: AnswerParser;
  /** Whether the sandbox has been sent the whole request. */
  #sent = true;
  #isChunked = false;
  /** Whether a part of the answer's body has been handed on. */
  #begun = false;
  /** Whether the sandbox has said anything. */
  #heard = false;
  #over = false;

  constructor(
    private readonly connection: Connection,
    private readonly forwarding: Forwarding,
    private readonly resolve: () => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.#parser = new AnswerParser(this, forwarding.request.method !== 'HEAD');
    connection.user = this;
  }

  start(): void {
    const { request, response, headers } = this.forwarding;
    const { socket } = this.connection;
    response.once('close', () => {
      if (!this.#over) this.#finish(new Error('The caller has gone.'));
    });
    let head = `${request.method} ${request.url} HTTP/1.1\r\n`;
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    const length = request.headers['content-length'];
    this.#isChunked = request.headers['transfer-encoding'] !== undefined;
    // Where the body ends is said by what is sent, never by what was named.
    if (this.#isChunked) head += 'Transfer-Encoding: chunked\r\n';
    else if (length !== undefined) head += `Content-Length: ${length}\r\n`;
    head += 'Connection: keep-alive\r\n\r\n';
    if (!this.#isChunked && !Number(length)) {
      socket.write(head, 'latin1');
      return;
    }
    this.#sent = false;
    socket.cork();
    socket.write(head, 'latin1');
    request.on('data', this.#sendPiece);
    request.once('end', this.#sendEnd);
    // What has come with the head goes out with it.
    process.nextTick(() => socket.uncork());
  }

  readonly #sendPiece = (piece: Buffer): void => {
    const { socket } = this.connection;
    if (this.#isChunked) socket.write(`${piece.length.toString(16)}\r\n`, 'latin1');
    let isReady = socket.write(piece);
    if (this.#isChunked) isReady = socket.write('\r\n', 'latin1');
    if (!isReady) this.forwarding.request.pause();
  };

  readonly #sendEnd = (): void => {
    if (this.#isChunked) this.connection.socket.write('0\r\n\r\n', 'latin1');
    this.#sent = true;
  };

  drained(): void {
    if (!this.#sent) this.forwarding.request.resume();
  }

  received(bytes: Buffer): void {
    this.#heard = true;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    const { response } = this.forwarding;
    // A head that came alone does not wait for its body.
    if (!this.#over && response.headersSent && !this.#begun) response.flushHeaders();
  }

  ended(error?: Error): void {
    if (this.#over || (!error && this.#parser.close())) return;
    const cause = error ?? new Error('The sandbox closed the connection.');
    const isStale = this.connection.isUsedAgain && !this.#heard;
    this.#finish(isStale ? new StaleConnectionError(cause.message, { cause }) : cause);
  }

  interim(status: number, reason: string, headers: string[]): void {
    const { socket } = this.connection;
    const interim = { status, reason, fields: endToEnd(headers) };
    // What was read before a pause is still handed on.
    const resume = socket.isPaused()
      ? undefined
      : () => {
          socket.resume();
        };
    if (!writeInterim(this.forwarding.response, interim, resume)) socket.pause();
  }

  head(status: number, reason: string, headers: string[]): void {
    const { request, response, answered } = this.forwarding;
    answered();
    response.writeHead(status, reason, responseHeaders(request.url, status, headers));
  }

  data(piece: Buffer): void {
    const { response } = this.forwarding;
    this.#begun = true;
    const { socket } = this.connection;
    // What was read before the pause is still handed on, piece by piece.
    if (response.write(piece) || socket.isPaused()) return;
    socket.pause();
    response.once('drain', () => socket.resume());
  }

  end(last: Buffer | undefined, trailers: string[]): void {
    const { response } = this.forwarding;
    const kept = endToEndTrailers(trailers);
    for (let i = 0; i < kept.length; i += 2) response.addTrailers([[kept[i] ?? '', kept[i + 1] ?? '']]);
    // As text a short body goes out in one piece with the head, for half the price of two pieces.
    if (last && !this.#begun && last.length <= joinedBytes) response.end(last.toString('latin1'), 'latin1');
    else if (last) response.end(last);
    else response.end();
    this.#finish();
  }

  /** Ends the exchange once: whole, or for a reason. */
  #finish(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    const { request, response } = this.forwarding;
    if (!this.#sent) {
      request.off('data', this.#sendPiece).off('end', this.#sendEnd);
      // The rest of a body that nobody wants is discarded, or the response would not be read.
      request.resume();
    }
    // Bytes may follow in the piece that held the end, so this waits until that has been read.
    queueMicrotask(() => this.#release());
    if (!error || response.headersSent) {
      // An answer that was cut must not look whole.
      if (error) response.destroy();
      this.resolve();
    } else this.reject(error);
  }

  #release(): void {
    const { connection } = this;
    if (!this.#sent || !this.#parser.keepsAlive) {
      connection.user = undefined;
      connection.socket.destroy();
      return;
    }
    connection.socket.resume();
    connection.release(this.#parser.keepAliveSeconds);
  }
}
