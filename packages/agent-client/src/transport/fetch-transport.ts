import { codingsOf, undecodable } from './decoded-body.js';
import {
  type ResponseBody,
  type Transport,
  TransportFailure,
  type TransportRequest,
  type TransportResponse,
  uncompressed,
} from './transport.js';

/** Codes of failures that come before the first byte of a request goes out. */
const notSentCodes = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** What every `fetch` undoes by itself; what it does not know it gives out as it came. */
const decodedByFetch = new Set(['gzip', 'deflate', 'br']);

/**
 * The platform's own `fetch`, for runtimes that have no undici. It has no pool to tune and no connect timeout, and on
 * Node a server may not be silent for more than 300 s.
 */
export class FetchTransport implements Transport {
  readonly #closing = new AbortController();

  async request(request: TransportRequest): Promise<TransportResponse> {
    const { method, origin, path, headers, body, signal, firstByteTimeoutMs: ms } = request;
    const own = new AbortController();
    const onAbort = (): void => own.abort(signal.reason);
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const late =
      ms > 0 &&
      setTimeout(() => {
        own.abort(new TransportFailure('first_byte_timeout', true, `No answer began within ${ms} ms.`));
      }, ms);
    try {
      const response = await fetch(origin + path, {
        method,
        headers: { ...uncompressed, ...headers },
        ...(body !== undefined && { body }),
        // A redirect would take the traffic token with it.
        redirect: 'manual',
        signal: AbortSignal.any([own.signal, this.#closing.signal]),
      });
      const foreign = codingsOf(response.headers.get('content-encoding') ?? undefined).find(
        (coding) => !decodedByFetch.has(coding),
      );
      if (foreign !== undefined) {
        own.abort();
        throw undecodable(foreign);
      }
      return {
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        body: new FetchBody(response.body?.getReader(), own, settled),
      };
    } catch (error) {
      settled();
      throw toFailure(own.signal.aborted && !(error instanceof TransportFailure) ? own.signal.reason : error);
    } finally {
      if (late) clearTimeout(late);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new TransportFailure('network', true, 'The client was closed.'));
  }
}

class FetchBody implements ResponseBody {
  idleTimeoutMs = 0;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #abort: AbortController;
  readonly #onSettled: () => void;

  /** @param onSettled - Called when no more will come. */
  constructor(
    reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
    abort: AbortController,
    onSettled: () => void,
  ) {
    this.#reader = reader;
    this.#abort = abort;
    this.#onSettled = onSettled;
  }

  async read(): Promise<Uint8Array | undefined> {
    const ms = this.idleTimeoutMs;
    const quiet =
      ms > 0 &&
      setTimeout(() => {
        this.#abort.abort(new TransportFailure('idle_timeout', true, `The server was silent for ${ms} ms.`));
      }, ms);
    try {
      const piece = await this.#reader?.read();
      if (!piece || piece.done) this.#onSettled();
      return piece?.value;
    } catch (error) {
      this.#onSettled();
      throw toFailure(this.#abort.signal.aborted ? this.#abort.signal.reason : error);
    } finally {
      if (quiet) clearTimeout(quiet);
    }
  }

  cancel(): void {
    this.#onSettled();
    this.#abort.abort(new TransportFailure('network', true, 'The response was cancelled.'));
  }
}

function toFailure(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  const code: unknown = Reflect.get(Object(error.cause), 'code');
  const sent = !(typeof code === 'string' && notSentCodes.has(code));
  const message = error.cause instanceof Error ? error.cause.message : error.message;
  return new TransportFailure('network', sent, message, error);
}
