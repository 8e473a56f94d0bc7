import { encodeFrame, headers as headerNames, heartbeatFrame, resumableStream } from '@sandpiper/protocol';
import { unchangedStream } from '../http/cache-policy.js';
import type { Sink } from '../http/sink.js';
import type { Failure } from './failure.js';
import type { FinalFrame } from './final-frame.js';
import { Heartbeat } from './heartbeat.js';
import type { Subscriber } from './subscriber.js';

/** The headers of a stream of frames (docs/wire-protocol.md, "Streams"). */
export function eventStreamHeaders(resumable: boolean): string[] {
  const headers = ['content-type', 'text/event-stream; charset=utf-8', ...unchangedStream];
  if (resumable) headers.push(headerNames.streamProtocol, resumableStream);
  return headers;
}

/** Writes one caller's frames, with heartbeats where they are silent (docs/wire-protocol.md, "Streams"). */
export class Frames implements Subscriber<string, FinalFrame> {
  readonly #sink: Sink;
  readonly #resumable: boolean;
  readonly #heartbeat: Heartbeat;

  constructor(sink: Sink, options: { readonly resumable: boolean; readonly heartbeatMs: number }) {
    this.#sink = sink;
    this.#resumable = options.resumable;
    this.#heartbeat = new Heartbeat(sink, options.heartbeatMs);
  }

  /** Writes a value, as JSON text. False: the caller is behind. */
  write(json: string, id: number): boolean {
    this.#heartbeat.beat();
    return this.#sink.write(encodeFrame(json, this.#resumable ? id : undefined));
  }

  /** Says that there is nothing yet, and that somebody is at work. */
  alive(): void {
    this.#sink.write(heartbeatFrame);
  }

  /** Ends the stream. A plain one has a frame for an error only. */
  end(final: { readonly value: FinalFrame; readonly id: number } | undefined): void {
    this.#heartbeat.stop();
    if (final) this.#last(final.value, final.id);
    this.#sink.end();
  }

  /** Breaks the stream off, so that its end is not taken for a clean one. */
  lost(): void {
    this.#heartbeat.stop();
    this.#sink.cut();
  }

  /** The caller left; there is nobody to write to any more. */
  stop(): void {
    this.#heartbeat.stop();
  }

  #last({ event, json }: FinalFrame, id: number): void {
    if (this.#resumable) this.#sink.write(encodeFrame(json, id, event));
    else if (event === 'error') this.#sink.write(encodeFrame(json));
  }
}

/** Hands on the pieces of a body as they are. */
export function bytesSubscriber(sink: Sink): Subscriber<Uint8Array, Failure | undefined> {
  return {
    write: (piece) => sink.write(piece),
    end: (final) => (final?.value ? sink.cut() : sink.end()),
    lost: () => sink.cut(),
  };
}
