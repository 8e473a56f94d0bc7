import { TransportFailure } from '../../transport/transport.js';
import { toText } from '../bytes.js';
import { tooLong } from '../read-text.js';
import { parseOrText } from './parse-or-text.js';
import type { AnswerSink, ResponseDecoder } from './response-decoder.js';

/** What is said of a response before its bytes are read. */
export interface WholeOptions {
  maxBytes: number;
  /** What it is called, where that is JSON. */
  expected: string | undefined;
  /** Whether it may be empty: one that names neither its sender nor its type is what proxies send for names they do not know. */
  mayBeEmpty: boolean;
}

/** An answer that is no stream: JSON, or a text. */
export function createWholeDecoder(sink: AnswerSink, options: WholeOptions): ResponseDecoder {
  const { maxBytes, expected, mayBeEmpty } = options;
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
      if (text === '' && !mayBeEmpty) {
        throw new TransportFailure(
          'unreadable',
          true,
          'it is empty, and names neither its sender nor a content type.',
        );
      }
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
