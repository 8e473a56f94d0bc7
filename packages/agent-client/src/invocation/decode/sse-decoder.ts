import { createFrameDecoder, donePayloadSchema, errorPayloadSchema, type Frame } from '@sandpiper/protocol';
import { describeBody } from '../../describe-body.js';
import { TransportFailure } from '../../transport/transport.js';
import { concatenate, toText } from '../bytes.js';
import { readingFinalError } from './final-error.js';
import { parseLast, parseOrText } from './parse-or-text.js';
import type { AnswerSink, ResponseDecoder } from './response-decoder.js';

/** How far a resumable stream has been read; outlives the connections it takes. */
export interface StreamPosition {
  /** The last event seen, from 1; 0 before the first. */
  lastEventId: number;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/** How much of a body is looked at to find out what it is, in bytes. */
const headLength = 4096;
/** A line that server-sent events have: a field, or a comment. */
const lineOfEvents = /^\uFEFF?((data|event|id|retry)(:|$)|:)/m;

/** Server-sent events of an agent that knows nothing of our protocol: ours without resume, AgentCore's, any other. */
export function createPlainDecoder(reader: AnswerSink): ResponseDecoder {
  const sink = readingFinalError(reader);
  let ended = false;
  let isEvents = false;
  let head: Uint8Array = new Uint8Array();
  /** Set for the frame that the end of the stream completes: whether its last line was whole. */
  let lastLine: 'whole' | 'open' | undefined;
  const onFrame = (frame: Frame): void => {
    isEvents = true;
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
    ended = frame.event === 'error';
    if (ended) sink.failed(errorPayloadSchema.safeParse(value).data ?? { error: frame.data });
    else sink.value(value);
  };
  const frames = createFrameDecoder({ onFrame });
  let lastByte: number | undefined;
  return {
    push(bytes) {
      if (!isEvents && head.length < headLength) head = concatenate([head, bytes]).subarray(0, headLength);
      frames.push(bytes);
      lastByte = bytes.at(-1) ?? lastByte;
    },
    end() {
      // Not every server puts an empty line behind its last event.
      lastLine = lastByte === newline || lastByte === carriageReturn ? 'whole' : 'open';
      frames.push(Uint8Array.of(newline, newline));
      const start = toText([head]);
      if (!isEvents && start.trim() !== '' && !lineOfEvents.test(start)) {
        throw new TransportFailure(
          'unreadable',
          true,
          `it is called an event stream and has no event${describeBody(start)}`,
        );
      }
      if (!ended) sink.done(undefined);
    },
  };
}

/** Our own numbered frames (docs/wire-protocol.md, "Resumable frames"): each once and in order, and no end without `done` or `error`. */
export function createResumableDecoder(sink: AnswerSink, position: StreamPosition): ResponseDecoder {
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
