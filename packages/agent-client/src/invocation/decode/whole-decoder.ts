import { TransportFailure } from '../../transport/transport.js';
import { toText } from '../bytes.js';
import { tooLong } from '../read-text.js';
import type { AnswerDecoder, AnswerSink } from './answer-decoder.js';
import { parseOrText } from './parse-or-text.js';

/**
 * An answer that is no stream: JSON, or a text.
 *
 * @param expected - What it is called, where that is JSON.
 */
export function createWholeDecoder(
  sink: AnswerSink,
  expected: string | undefined,
  maxBytes: number,
): AnswerDecoder {
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
      // No content is no value.
      const value = text === '' ? undefined : parseOrText(text);
      if (expected && text !== '' && value === text) {
        throw new TransportFailure(
          'network',
          true,
          `the answer is called ${expected} and is not, or not all of it`,
        );
      }
      sink.whole(value);
    },
  };
}
