import type { DonePayload, ErrorPayload } from '@sandpiper/protocol';

/** What a decoder reports, in the order in which it came. */
export interface AnswerSink {
  /** One value of a stream. */
  value(value: unknown): void;
  /** A heartbeat: the agent is still at work. */
  alive(): void;
  /** The whole of an answer that is no stream: an envelope, or a bare value. */
  whole(value: unknown): void;
  /** The agent says that the stream is complete. */
  done(payload: DonePayload | undefined): void;
  /** The agent says that it failed. */
  failed(payload: ErrorPayload): void;
}

/** Turns the bytes of one response into what they mean. */
export interface ResponseDecoder {
  push(bytes: Uint8Array): void;
  /**
   * The response ended as HTTP sees it.
   *
   * @throws TransportFailure when that was too early, by what the bytes say.
   */
  end(): void;
}
