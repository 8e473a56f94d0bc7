import { TransportFailure } from '../../transport/transport.js';
import { tooLong } from '../read-text.js';
import type { AnswerDecoder, AnswerSink } from './answer-decoder.js';
import { parseOrText } from './parse-or-text.js';

/** An answer that is no stream: JSON, or a text. */
export function createWholeDecoder(sink: AnswerSink, isJson: boolean, maxBytes: number): AnswerDecoder {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  return {
    push(bytes) {
      size += bytes.length;
      if (size > maxBytes) throw tooLong(maxBytes);
      text += decoder.decode(bytes, { stream: true });
    },
    end() {
      text += decoder.decode();
      const value = parseOrText(text);
      if (isJson && text !== '' && value === text) {
        throw new TransportFailure('network', true, 'the answer is called JSON and is not, or not all of it');
      }
      sink.whole(value);
    },
  };
}
