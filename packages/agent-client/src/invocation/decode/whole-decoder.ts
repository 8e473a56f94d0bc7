import { TransportFailure } from '../../transport/transport.js';
import { toText } from '../bytes.js';
import { tooLong } from '../read-text.js';
import type { AnswerDecoder, AnswerSink } from './answer-decoder.js';
import { parseOrText } from './parse-or-text.js';

/** An answer that is no stream: JSON, or a text. */
export function createWholeDecoder(sink: AnswerSink, isJson: boolean, maxBytes: number): AnswerDecoder {
  const chunks: Uint8Array[] = [];
  let size = 0;
  return {
    push(bytes) {
      size += bytes.length;
      if (size > maxBytes) throw tooLong(maxBytes);
      chunks.push(bytes);
    },
    end() {
      const text = toText(chunks);
      const value = parseOrText(text);
      if (isJson && text !== '' && value === text) {
        throw new TransportFailure('network', true, 'the answer is called JSON and is not, or not all of it');
      }
      sink.whole(value);
    },
  };
}
