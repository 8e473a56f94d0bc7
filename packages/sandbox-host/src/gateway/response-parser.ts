import { HostError } from '@sandpiper/sandbox-engine/host-error';

/** Hears an answer as it is read. */
export interface AnswerListener {
  /** An interim answer, such as 103, before the one that counts. */
  interim(status: number, reason: string, headers: string[]): void;
  head(status: number, reason: string, headers: string[]): void;
  data(piece: Buffer): void;
  /** @param last - What came together with the end. */
  end(last: Buffer | undefined, trailers: string[]): void;
}

/** The longest head of an answer, the longest line between chunks and the longest trailers, in bytes: Node's own limit. */
const headBytes = 16 * 1024;

const statusLine = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a head must not hold, ends of lines aside.
const forbidden = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;

type State = 'head' | 'length' | 'chunk size' | 'chunk' | 'chunk end' | 'trailers' | 'until close' | 'done';

/**
 * Reads one HTTP/1.1 answer (RFC 9112) from bytes that come in any pieces. Who sends it is not trusted: what is not
 * plainly an answer is an error.
 */
export class AnswerParser {
  #state: State = 'head';
  /** The beginning of a head or a line whose end has not come. */
  #rest: Buffer | undefined;
  /** Bytes still to come of the body or the chunk. */
  #left = 0;
  #keepAlive = true;
  /** How long the server keeps the connection for a further request, where it said so. */
  keepAliveSeconds: number | undefined;

  /** @param hasBody - Whether there may be one, which there is not when the request was a HEAD. */
  constructor(
    private readonly listener: AnswerListener,
    private readonly hasBody: boolean,
  ) {}

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Whether another request may follow on the connection once this answer is over. */
  get keepsAlive(): boolean {
    return this.#keepAlive && this.isDone;
  }

  /** @throws HostError when this is no answer. */
  push(bytes: Buffer): void {
    let at = 0;
    if (this.#rest) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = undefined;
    }
    while (at < bytes.length) {
      switch (this.#state) {
        case 'head': {
          const end = this.#find('\r\n\r\n', bytes, at);
          if (end < 0) return;
          this.#readHead(bytes.toString('latin1', at, end));
          at = end + 4;
          break;
        }
        case 'length':
        case 'chunk': {
          const piece = bytes.subarray(at, at + this.#left);
          at += piece.length;
          this.#left -= piece.length;
          const isOver = this.#left === 0;
          if (isOver && this.#state === 'length') this.#end(piece);
          else this.listener.data(piece);
          if (isOver && this.#state === 'chunk') this.#state = 'chunk end';
          break;
        }
        case 'until close':
          this.listener.data(at === 0 ? bytes : bytes.subarray(at));
          return;
        case 'chunk size': {
          const end = this.#find('\r\n', bytes, at);
          if (end < 0) return;
          const [, size] = /^([0-9a-f]{1,13})[\t ]*(?:;|$)/i.exec(bytes.toString('latin1', at, end)) ?? [];
          if (size === undefined) throw invalid('the size of a chunk');
          this.#left = Number.parseInt(size, 16);
          this.#state = this.#left === 0 ? 'trailers' : 'chunk';
          at = end + 2;
          break;
        }
        case 'chunk end':
          if (bytes.length - at < 2) {
            this.#rest = bytes.subarray(at);
            return;
          }
          if (bytes[at] !== 13 || bytes[at + 1] !== 10) throw invalid('the end of a chunk');
          this.#state = 'chunk size';
          at += 2;
          break;
        case 'trailers': {
          // None, as nearly always.
          if (bytes[at] === 13 && bytes[at + 1] === 10) {
            at += 2;
            this.#end(undefined);
            break;
          }
          const end = this.#find('\r\n\r\n', bytes, at);
          if (end < 0) return;
          this.#end(undefined, readFields(linesOf(bytes.toString('latin1', at, end)), 0));
          at = end + 4;
          break;
        }
        case 'done':
          // Nothing was asked that this could be the answer to.
          this.#keepAlive = false;
          return;
      }
    }
  }

  /** The server has ended the connection. @returns whether that is how the answer was to end. */
  close(): boolean {
    this.#keepAlive = false;
    if (this.#state === 'until close') this.#end(undefined);
    return this.isDone;
  }

  #end(last: Buffer | undefined, trailers: string[] = []): void {
    this.#state = 'done';
    this.listener.end(last, trailers);
  }

  /** Where a mark is; when it has not come, what there is waits for the rest. */
  #find(mark: string, bytes: Buffer, at: number): number {
    const end = bytes.indexOf(mark, at, 'latin1');
    if ((end < 0 ? bytes.length : end) - at > headBytes) throw invalid(`longer than ${headBytes} bytes`);
    if (end < 0) this.#rest = bytes.subarray(at);
    return end;
  }

  #readHead(text: string): void {
    const lines = linesOf(text);
    const [, minor, code, reason = ''] = statusLine.exec(lines[0] ?? '') ?? [];
    const status = Number(code);
    if (code === undefined || status < 100 || status === 101) throw invalid('the status line');
    const headers = readFields(lines, 1);
    if (status < 200) {
      this.listener.interim(status, reason, headers);
      return;
    }
    let length: number | undefined;
    let coding: string | undefined;
    if (minor === '0') this.#keepAlive = false;
    for (let i = 0; i < headers.length; i += 2) {
      const value = headers[i + 1] ?? '';
      switch (headers[i]?.toLowerCase()) {
        case 'content-length': {
          const said = /^\d{1,15}$/.test(value) ? Number(value) : undefined;
          if (said === undefined || (length ?? said) !== said) throw invalid('the content length');
          length = said;
          break;
        }
        case 'transfer-encoding':
          coding = coding === undefined ? value.toLowerCase() : `${coding}, ${value}`;
          break;
        case 'connection':
          if (/\bclose\b/i.test(value)) this.#keepAlive = false;
          break;
        case 'keep-alive': {
          const seconds = /\btimeout=(\d{1,6})/i.exec(value)?.[1];
          if (seconds !== undefined) this.keepAliveSeconds = Number(seconds);
          break;
        }
      }
    }
    // Two lengths are how requests are smuggled, and HTTP/1.0 has no chunks (RFC 9112, sections 6.1 and 6.3).
    if (coding !== undefined && (coding !== 'chunked' || length !== undefined || minor === '0')) {
      throw invalid('the transfer encoding');
    }
    this.listener.head(status, reason, headers);
    if (!this.hasBody || status === 204 || status === 304) this.#end(undefined);
    else if (coding !== undefined) this.#state = 'chunk size';
    else if (length === undefined) this.#state = 'until close';
    else if (length === 0) this.#end(undefined);
    else {
      this.#left = length;
      this.#state = 'length';
    }
  }
}

function linesOf(head: string): string[] {
  if (forbidden.test(head)) throw invalid('a character of the head');
  return head.split('\r\n');
}

/** Names and values of header lines, from one on. */
function readFields(lines: string[], from: number): string[] {
  const fields: string[] = [];
  for (let i = from; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!token.test(name)) throw invalid('a header');
    fields.push(name, line.slice(colon + 1).trim());
  }
  return fields;
}

function invalid(what: string): HostError {
  return new HostError(502, `The sandbox did not answer in HTTP/1.1: ${what} cannot be understood.`);
}
