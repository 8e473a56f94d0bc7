import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerParser } from './response-parser.js';

/** Reads an answer that comes in pieces. */
function read(pieces: Buffer[], { hasBody = true, closes = false } = {}) {
  const heard = {
    heads: [] as unknown[],
    interims: [] as unknown[],
    body: '',
    ends: 0,
    trailers: [] as string[],
  };
  const parser = new AnswerParser(
    {
      interim: (status, reason, headers) => heard.interims.push([status, reason, headers]),
      head: (status, reason, headers) => heard.heads.push([status, reason, headers]),
      data: (piece) => {
        heard.body += piece.toString('latin1');
      },
      end: (last, trailers) => {
        heard.body += last?.toString('latin1') ?? '';
        heard.ends += 1;
        heard.trailers = trailers;
      },
    },
    hasBody,
  );
  for (const piece of pieces) parser.push(piece);
  const whole = closes ? parser.close() : parser.isDone;
  return { ...heard, whole, keepsAlive: parser.keepsAlive, keepAliveSeconds: parser.keepAliveSeconds };
}
const answer = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1');

const answers: [name: string, bytes: Buffer, body: string][] = [
  ['a length', answer('HTTP/1.1 200 OK', 'Content-Length: 5', '', 'hello'), 'hello'],
  ['no body', answer('HTTP/1.1 204 No Content', 'X-A: 1', '', ''), ''],
  [
    'chunks',
    answer(
      'HTTP/1.1 200 OK',
      'transfer-encoding: chunked',
      '',
      '5;ext=1',
      'hello',
      'D',
      ', all \r\nof it',
      '0',
      '',
      '',
    ),
    'hello, all \r\nof it',
  ],
  [
    'an interim answer',
    answer('HTTP/1.1 103 Early Hints', 'Link: x', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'),
    'ok',
  ],
  [
    'trailers',
    answer(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: chunked',
      '',
      '2',
      'ok',
      '0',
      'X-Sum: 1',
      'X-More: 2',
      '',
      '',
    ),
    'ok',
  ],
];

test.each(answers)('reads an answer with %s the same in whatever pieces it comes', (_name, bytes, body) => {
  const atOnce = read([bytes]);
  expect(atOnce).toMatchObject({ body, ends: 1, whole: true, keepsAlive: true });
  expect(atOnce.heads).toHaveLength(1);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const sorted = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const pieces = sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
      expect(read(pieces)).toEqual(atOnce);
    }),
  );
  expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(atOnce);
});

test('hands on status, reason and headers as they are', () => {
  const bytes = answer('HTTP/1.1 418 I am short', 'X-Twice: 1', 'X-Twice:  2 ', 'Content-Length: 0', '', '');
  expect(read([bytes]).heads).toEqual([
    [418, 'I am short', ['X-Twice', '1', 'X-Twice', '2', 'Content-Length', '0']],
  ]);
});

test('hands on interim answers before the one that counts', () => {
  const bytes = answer('HTTP/1.1 102 Processing', '', 'HTTP/1.1 103 Early Hints', 'Link: x', '', '');
  const { interims, heads } = read([bytes, answers[0]?.[1] ?? Buffer.alloc(0)]);
  expect(interims).toEqual([
    [102, 'Processing', []],
    [103, 'Early Hints', ['Link', 'x']],
  ]);
  expect(heads).toHaveLength(1);
});

test('gives trailers with the end', () => {
  expect(read([answers[4]?.[1] ?? Buffer.alloc(0)]).trailers).toEqual(['X-Sum', '1', 'X-More', '2']);
});

test('takes the end of the connection for the end of an answer that says no length, and of no other', () => {
  const open = answer('HTTP/1.1 200 OK', 'X-A: 1', '', 'all there is');
  expect(read([open])).toMatchObject({ whole: false });
  expect(read([open], { closes: true })).toMatchObject({
    body: 'all there is',
    whole: true,
    keepsAlive: false,
  });
  const cut = answer('HTTP/1.1 200 OK', 'Content-Length: 50', '', 'cut');
  expect(read([cut], { closes: true })).toMatchObject({ ends: 0, whole: false });
  const cutChunk = answer('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '5', 'hello', '');
  expect(read([cutChunk], { closes: true })).toMatchObject({ ends: 0, whole: false });
});

test('knows that the answer to a HEAD has no body, whatever length it says', () => {
  const bytes = answer('HTTP/1.1 200 OK', 'Content-Length: 5', '', '');
  expect(read([bytes], { hasBody: false })).toMatchObject({ ends: 1, body: '', keepsAlive: true });
});

test('uses a connection again only when nothing speaks against it', () => {
  const ok = ['Content-Length: 2', '', 'ok'];
  expect(read([answer('HTTP/1.1 200 OK', 'Keep-Alive: timeout=5', ...ok)]).keepAliveSeconds).toBe(5);
  expect(read([answer('HTTP/1.1 200 OK', 'Connection: Close', ...ok)]).keepsAlive).toBe(false);
  expect(read([answer('HTTP/1.0 200 OK', ...ok)]).keepsAlive).toBe(false);
  // What nobody asked for would be taken for the answer to the next caller's request.
  expect(read([answer('HTTP/1.1 200 OK', ...ok), Buffer.from('HTTP/1.1 200 OK')]).keepsAlive).toBe(false);
});

test.each([
  ['no status line', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['a status that is none', 'HTTP/1.1 042 What\r\n\r\n'],
  ['a change of protocol nobody asked for', 'HTTP/1.1 101 Switching\r\n\r\n'],
  ['a line feed in a header', 'HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
  ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a coding that nobody asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
  ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n'],
  ['a chunk longer than it said', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc'],
  ['a head without an end', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(20_000)}`],
  [
    'a chunk size without an end',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'0'.repeat(20_000)}`,
  ],
])('refuses %s', (_name, text) => {
  expect(() => read([Buffer.from(text, 'latin1')])).toThrow(/did not answer in HTTP/);
});

test('takes any bytes for an answer or refuses them, and never ends twice', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), fc.boolean(), (pieces, closes) => {
      const start = answer('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '');
      try {
        const { ends } = read([start, ...pieces.map((piece) => Buffer.from(piece))], { closes });
        expect(ends).toBeLessThanOrEqual(1);
      } catch (error) {
        expect(error).toMatchObject({ status: 502 });
      }
    }),
  );
});
