import type { Transform } from 'node:stream';
import { type ResponseBody, TransportFailure } from './transport.js';

type Zlib = typeof import('node:zlib');

/** What is undone, from the last coding to the first. */
type Decoder = (zlib: Zlib) => Transform;

/** The content codings that Node has (RFC 9110, section 8.4.1); what has come is given out at once, for streams. */
const decoders: Record<string, Decoder | undefined> = {
  gzip: (zlib) => zlib.createGunzip({ flush: zlib.constants.Z_SYNC_FLUSH }),
  deflate: (zlib) => zlib.createInflate({ flush: zlib.constants.Z_SYNC_FLUSH }),
  br: (zlib) => zlib.createBrotliDecompress({ flush: zlib.constants.BROTLI_OPERATION_FLUSH }),
};

/** Codings of a header, the last to be undone first. */
export function codingsOf(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((coding) =>
      coding
        .trim()
        .toLowerCase()
        .replace(/^x-gzip$/, 'gzip'),
    )
    .filter((coding) => coding !== '' && coding !== 'identity')
    .reverse();
}

/** Why a body cannot be read. */
export function undecodable(coding: string): TransportFailure {
  const message = `it is compressed with ${coding}, which cannot be undone here. None was asked for: a proxy or the agent does it all the same.`;
  return new TransportFailure('unreadable', true, message);
}

/** A response's body without its compression. No more is held than one piece of it takes. */
export class DecodedBody implements ResponseBody {
  readonly #inner: ResponseBody;
  readonly #codings: readonly string[];
  #pieces: AsyncIterator<Uint8Array> | undefined;
  #last: Transform | undefined;

  constructor(inner: ResponseBody, codings: readonly string[]) {
    this.#inner = inner;
    this.#codings = codings;
  }

  get idleTimeoutMs(): number {
    return this.#inner.idleTimeoutMs;
  }

  set idleTimeoutMs(ms: number) {
    this.#inner.idleTimeoutMs = ms;
  }

  async read(): Promise<Uint8Array | undefined> {
    try {
      this.#pieces ??= await this.#open();
      const { done, value } = await this.#pieces.next();
      return done ? undefined : value;
    } catch (error) {
      this.cancel();
      if (error instanceof TransportFailure || !(error instanceof Error && 'code' in error)) throw error;
      // Cut in the middle, or something else than it is called.
      const message = `The response is not whole, or not compressed as it is called: ${error.message}.`;
      throw new TransportFailure('network', true, message, error);
    }
  }

  cancel(): void {
    this.#inner.cancel();
    this.#last?.destroy();
  }

  async #open(): Promise<AsyncIterator<Uint8Array>> {
    // Nothing compressed is never nothing: what is empty was not compressed.
    const first = await this.#inner.read();
    if (!first) return empty();
    const zlib = globalThis.process?.getBuiltinModule?.('node:zlib');
    const { Readable, pipeline } = globalThis.process?.getBuiltinModule?.('node:stream') ?? {};
    const steps = this.#codings.map((coding) => {
      const create = decoderOf(coding, first, zlib);
      if (!zlib || !create) throw undecodable(coding);
      return create(zlib);
    });
    const last = steps.at(-1);
    if (!Readable || !pipeline || !last) throw undecodable(this.#codings.join(', '));
    this.#last = last;
    // What breaks it is thrown to the reader of the last.
    pipeline([Readable.from(this.#bytes(first), { highWaterMark: 1 }), ...steps], () => {});
    return last[Symbol.asyncIterator]();
  }

  async *#bytes(first: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let piece: Uint8Array | undefined = first; piece; piece = await this.#inner.read()) yield piece;
  }
}

function decoderOf(coding: string, first: Uint8Array, zlib: Zlib | undefined): Decoder | undefined {
  if (coding === 'zstd') {
    // From Node 22.15 and 23.8 on.
    const create: unknown = Reflect.get(zlib ?? {}, 'createZstdDecompress');
    return typeof create === 'function' ? () => create() : undefined;
  }
  // Some send raw deflate without the zlib header that RFC 9110 asks for.
  if (coding === 'deflate' && ((first[0] ?? 0) & 0x0f) !== 8) return (have) => have.createInflateRaw();
  return Object.hasOwn(decoders, coding) ? decoders[coding] : undefined;
}

async function* empty(): AsyncGenerator<Uint8Array> {}
