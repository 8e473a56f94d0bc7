import {
  createFrameDecoder,
  donePayloadSchema,
  type ErrorPayload,
  errorPayloadSchema,
  type Frame,
} from '@sandpiper/protocol';
import { TransportFailure } from '../../transport/transport.js';
import type { AnswerDecoder, AnswerSink } from './answer-decoder.js';
import { parseLast, parseOrText } from './parse-or-text.js';

/** How far a resumable stream has been read; outlives the connections it takes. */
export interface StreamPosition {
  /** The last event seen, from 1; 0 before the first. */
  lastEventId: number;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Server-sent events of an agent that knows nothing of our protocol: ours without resume, AgentCore's, any other. */
export function createPlainDecoder(sink: AnswerSink): AnswerDecoder {
  let ended = false;
  /** Set for the frame that the end of the stream completes: whether its last line was whole. */
  let lastLine: 'whole' | 'open' | undefined;
  const onFrame = (frame: Frame): void => {
    if (ended) return;
    // How OpenAI's streams, and those that copy them, say that they are complete.
    if (frame.data === '[DONE]') {
      ended = true;
      sink.done(undefined);
      return;
    }
    const last = lastLine && parseLast(frame.data, lastLine === 'whole');
    if (lastLine && !last) throw broken('the stream ended in the middle of an event');
    const value = last ? last.value : parseOrText(frame.data);
    const failure = inBandError(frame, value);
    ended = failure !== undefined;
    if (failure) sink.failed(failure);
    else sink.value(value);
  };
  const frames = createFrameDecoder({ onFrame });
  let lastByte: number | undefined;
  return {
    push(bytes) {
      frames.push(bytes);
      lastByte = bytes.at(-1) ?? lastByte;
    },
    end() {
      // Not every server puts an empty line behind its last event.
      lastLine = lastByte === newline || lastByte === carriageReturn ? 'whole' : 'open';
      frames.push(Uint8Array.of(newline, newline));
      if (!ended) sink.done(undefined);
    },
  };
}

/** Our own numbered frames (contract, section 4): each once and in order, and no end without `done` or `error`. */
export function createResumableDecoder(sink: AnswerSink, position: StreamPosition): AnswerDecoder {
  let ended = false;
  const frames = createFrameDecoder({
    onHeartbeat: () => sink.alive(),
    onFrame(frame) {
      if (ended) return;
      const id = Number(frame.id);
      if (id <= position.lastEventId) return;
      if (id !== position.lastEventId + 1) {
        throw broken(
          `event ${position.lastEventId + 1} is missing: the next is ${frame.id ?? 'without a number'}`,
        );
      }
      const value = parseOrText(frame.data);
      if (frame.event === undefined) {
        position.lastEventId = id;
        return sink.value(value);
      }
      ended = true;
      if (frame.event === 'done') return sink.done(donePayloadSchema.safeParse(value).data);
      sink.failed(errorPayloadSchema.safeParse(value).data ?? { error: frame.data });
    },
  });
  return {
    push: (bytes) => frames.push(bytes),
    end: () => {
      if (!ended) throw broken('the stream ended before the agent said that it was done');
    },
  };
}

function broken(reason: string): TransportFailure {
  return new TransportFailure('network', true, reason);
}

/** A throw in mid-stream, as our runtime and AgentCore's tell it in plain frames. */
function inBandError(frame: Frame, value: unknown): ErrorPayload | undefined {
  const named = frame.event === 'error';
  // Asked before the schema is, which would cost every value of every stream.
  const shaped = typeof value === 'object' && value !== null && 'error' in value && 'error_type' in value;
  if (!named && !shaped) return undefined;
  return errorPayloadSchema.safeParse(value).data ?? (named ? { error: frame.data } : undefined);
}
