import { TransportFailure } from '../../transport/transport.js';
import { readingFinalError } from './final-error.js';
import { parseLast, parseOrText } from './parse-or-text.js';
import type { AnswerSink, ResponseDecoder } from './response-decoder.js';

/** The longest line that is waited for, in characters; the same bound as for a frame. */
const maxLineLength = 16 * 1024 * 1024;

/** `application/x-ndjson`: a value a line. */
export function createLinesDecoder(reader: AnswerSink): ResponseDecoder {
  const sink = readingFinalError(reader);
  const text = new TextDecoder();
  let rest = '';
  const line = (content: string): void => {
    if (content.trim() !== '') sink.value(parseOrText(content));
  };
  return {
    push(bytes) {
      const lines = (rest + text.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const content of lines) line(content);
      if (rest.length > maxLineLength) {
        throw new RangeError(`A line of the stream is longer than ${maxLineLength} characters.`);
      }
    },
    end() {
      const last = rest + text.decode();
      if (last.trim() !== '') {
        const parsed = parseLast(last, false);
        if (!parsed) throw new TransportFailure('network', true, 'the stream ended in the middle of a line');
        sink.value(parsed.value);
      }
      sink.done(undefined);
    },
  };
}
