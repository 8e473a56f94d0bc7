import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EnvelopeReader, envelope } from './envelopes.js';

test('messages are the same in whatever pieces they come', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(60), { maxLength: 20 }), (sent, lengths) => {
      const reader = new EnvelopeReader(50);
      const read: Uint8Array[] = [];
      let rest = Buffer.concat(sent.map((message) => envelope(0, message)));
      for (const length of [...lengths, rest.length]) {
        read.push(...reader.push(rest.subarray(0, length)));
        rest = rest.subarray(length);
      }
      reader.end();
      expect(read.map((message) => [...message])).toEqual(sent.map((message) => [...message]));
    }),
  );
});

test('a message that is cut, compressed or too long is refused', () => {
  const cut = new EnvelopeReader(50);
  expect([...cut.push(envelope(0, 'message').subarray(0, 9))]).toEqual([]);
  expect(() => cut.end()).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  const take = (bytes: Buffer) => [...new EnvelopeReader(50).push(bytes)];
  expect(() => take(envelope(1, 'message'))).toThrow(expect.objectContaining({ code: 'unimplemented' }));
  // Before it has come.
  const long = expect.objectContaining({ code: 'resource_exhausted' });
  expect(() => take(envelope(0, 'x'.repeat(51)).subarray(0, 5))).toThrow(long);
});
