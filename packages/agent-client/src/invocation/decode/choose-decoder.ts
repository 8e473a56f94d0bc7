import { headers, resumableStream } from '@sandpiper/protocol';
import type { TransportResponse } from '../../transport/transport.js';
import { concatenate, toText } from '../bytes.js';
import { createLinesDecoder } from './lines-decoder.js';
import type { AnswerSink, ResponseDecoder } from './response-decoder.js';
import { createPlainDecoder, createResumableDecoder, type StreamPosition } from './sse-decoder.js';
import { createWholeDecoder, type WholeOptions } from './whole-decoder.js';

/** Whether a response is one of our own resumable streams: a runtime that has them names itself, too. */
export function isResumable(response: TransportResponse): boolean {
  if (response.header(headers.runtimeInstance) === undefined) return false;
  return response.header(headers.streamProtocol) === resumableStream;
}

/** Finds the decoder for a response by what it says it is, and by its first bytes where it says the wrong thing. */
export function chooseDecoder(
  response: TransportResponse,
  sink: AnswerSink,
  position: StreamPosition,
  maxBytes: number,
): ResponseDecoder {
  const type = response.header('content-type') ?? '';
  if (type.includes('text/event-stream')) {
    return isResumable(response) ? createResumableDecoder(sink, position) : createPlainDecoder(sink);
  }
  if (type.includes('ndjson') || type.includes('jsonl')) return createLinesDecoder(sink);
  return createSniffingDecoder(sink, {
    maxBytes,
    expected: /[/+]json/.test(type) ? 'JSON' : undefined,
    mayBeEmpty: type !== '' || response.header(headers.runtimeInstance) !== undefined,
  });
}

/** No JSON text and hardly any prose begins like this. */
const looksLikeEvents = /^\uFEFF?(data|event|id|retry)?:/;
/** The first bytes that such a beginning can have: `:`, `d`, `e`, `i`, `r`, and that of a byte order mark. */
const firstOfEvents: ReadonlySet<number | undefined> = new Set([0x3a, 0x64, 0x65, 0x69, 0x72, 0xef]);

function createSniffingDecoder(sink: AnswerSink, options: WholeOptions): ResponseDecoder {
  let head: Uint8Array = new Uint8Array();
  let chosen: ResponseDecoder | undefined;
  const choose = (): ResponseDecoder => {
    const events = firstOfEvents.has(head[0]) && looksLikeEvents.test(toText([head]));
    chosen = events ? createPlainDecoder(sink) : createWholeDecoder(sink, options);
    chosen.push(head);
    return chosen;
  };
  return {
    push(bytes) {
      if (chosen) return chosen.push(bytes);
      head = head.length === 0 ? bytes : concatenate([head, bytes]);
      // `retry:` behind a byte order mark is the longest beginning that tells.
      if (head.length >= 9 || !firstOfEvents.has(head[0])) choose();
    },
    end: () => (chosen ?? choose()).end(),
  };
}
