import { createParser } from 'eventsource-parser';
import type { Frame } from './frame.js';

/** What a {@link FrameDecoder} reports, and how much it may hold. */
export interface FrameDecoderOptions {
  onFrame: (frame: Frame) => void;
  /** A comment line, which is how a server says that it is still there. */
  onHeartbeat?: () => void;
  /** The longest frame that is waited for, in characters. Beyond it `push` throws. */
  maxFrameLength?: number;
}

/** Turns the bytes of a stream into frames, however the network cut them. */
export interface FrameDecoder {
  /**
   * Takes the next bytes; reports each frame they complete before it returns.
   *
   * @throws RangeError when a frame outgrows `maxFrameLength`.
   */
  push(bytes: Uint8Array): void;
}

/** 16 Mi characters: far above any sane frame, far below what would end a process. */
const defaultMaxFrameLength = 16 * 1024 * 1024;

/**
 * Reads server-sent events (WHATWG HTML, section 9.2). A frame that the stream's end cuts short is dropped,
 * as that specification asks: whether the end was a clean one is for the reader of the frames to judge.
 */
export function createFrameDecoder(options: FrameDecoderOptions): FrameDecoder {
  const maxBufferSize = options.maxFrameLength ?? defaultMaxFrameLength;
  const { onFrame, onHeartbeat } = options;
  const text = new TextDecoder();
  const parser = createParser({
    onEvent: onFrame,
    onComment: onHeartbeat && (() => onHeartbeat()),
    maxBufferSize,
    onError: (error) => {
      // Unknown fields and bad retry values are to be ignored, says the specification.
      if (error.type === 'max-buffer-size-exceeded') {
        throw new RangeError(`A stream frame is longer than ${maxBufferSize} characters.`);
      }
    },
  });
  const lines = createLineEndReader();
  return { push: (bytes) => parser.feed(lines(text.decode(bytes, { stream: true }))) };
}

/**
 * Writes every line end as a line feed. The parser waits behind a carriage return for the line feed that may follow,
 * which makes each event of a stream with such line ends one event late, and loses the last.
 */
function createLineEndReader(): (piece: string) => string {
  let afterReturn = false;
  return (piece) => {
    if (piece === '') return piece;
    const rest = afterReturn && piece.startsWith('\n') ? piece.slice(1) : piece;
    afterReturn = piece.endsWith('\r');
    return rest.includes('\r') ? rest.replaceAll(/\r\n?/g, '\n') : rest;
  };
}
