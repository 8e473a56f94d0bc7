import fc from 'fast-check';

/** Bytes that are no proper request. */
export interface HostileBytes {
  readonly pieces: Buffer[];
  /** Whether they must be answered with an error, where they are not merely cut short. */
  readonly refused: boolean;
}

const head = 'POST /invocations HTTP/1.1\r\nhost: a\r\n';

const refused = (text: string): HostileBytes => ({ pieces: [Buffer.from(text, 'latin1')], refused: true });
const cut = (text: string): HostileBytes => ({ pieces: [Buffer.from(text, 'latin1')], refused: false });

const filler = (length: number): string => 'x'.repeat(length);

/** Lengths that are none, that differ from each other, and that stand beside chunks (RFC 9112, section 6.3). */
const lyingLengths = fc
  .constantFrom(
    'content-length: -1',
    'content-length: 1e3',
    'content-length: 0x10',
    'content-length: 5, 6',
    'content-length: 99999999999999999999',
    'content-length: 5\r\ncontent-length: 6',
    'content-length: 5\r\ntransfer-encoding: chunked',
    'transfer-encoding: chunked\r\ncontent-length: 5',
    'transfer-encoding: gzip, identity',
    'transfer-encoding: chunked, gzip',
    'content-length:\u000b5',
  )
  .map((lines) => refused(`${head}${lines}\r\n\r\nhello`));

const shortBodies = fc
  .tuple(fc.integer({ min: 6, max: 70_000 }), fc.string({ maxLength: 5 }))
  .map(([length, body]) => refused(`${head}content-length: ${length}\r\n\r\n${body}`));

/** What is over the length is read as the next request, which it is not. */
const longBodies = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.stringMatching(/^[{}[\]"a-z]{6,40}$/))
  .map(([length, body]) => refused(`${head}content-length: ${length}\r\n\r\n${body}\r\n\r\n`));

const brokenChunks = fc
  .constantFrom(
    'zz\r\nhello',
    '-5\r\nhello',
    '5\r\nhellohello',
    'fffffffffffffffff\r\n',
    '5;\u0000\r\nhello',
    '5\nhello',
  )
  .map((chunks) => refused(`${head}transfer-encoding: chunked\r\n\r\n${chunks}`));

const undeclared = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 4096 }))
  .map(([count, size]) =>
    cut(
      `${head}transfer-encoding: chunked\r\n\r\n${`${size.toString(16)}\r\n${filler(size)}\r\n`.repeat(count)}0\r\n\r\n`,
    ),
  );

const largeHeads = fc
  .constantFrom(
    `${head}x-large: ${filler(20_000)}\r\n\r\n`,
    `${head}${`x-many: ${filler(100)}\r\n`.repeat(300)}\r\n`,
    `GET /${filler(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
    `${filler(20_000)}`,
    `${head}${filler(20_000)}: a\r\n\r\n`,
  )
  .map(refused);

const brokenHeads = fc
  .constantFrom(
    'GET / HTTP/9.9\r\n\r\n',
    'get / HTTP/1.1\r\nhost: a\r\n\r\n',
    'BREW /pot HTTP/1.1\r\nhost: a\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
    `${head}: no name\r\n\r\n`,
    `${head}a b: c\r\n\r\n`,
    `${head}x-null: a\u0000b\r\n\r\n`,
    `${head}x-return: a\rb\r\n\r\n`,
    `${head} folded\r\n\r\n`,
    'GET /ping HTTP/1.1\r\n\r\n',
    'GET /ping HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
    'GET /p\u0000ing HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET /ping HTTP/1.1\nhost: a\n\n',
    '\r\n\r\n\r\nGET',
    'SSH-2.0-OpenSSH_9.2\r\n',
  )
  .map(refused);

/** Ways to ask for another protocol, or for something first. */
const sideways = fc
  .constantFrom(
    `${head}connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\n{}`,
    'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: short\r\n\r\n',
    'GET /other HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff',
    'CONNECT other.example:443 HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET  / HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET /ping HTTP/1.0\r\n\r\n',
    'GET /\r\n\r\n',
    'GET /ping HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n',
    `${head}expect: 100-continue\r\ncontent-length: 5\r\n\r\n`,
  )
  .map(cut);

const noise = fc
  .uint8Array({ minLength: 1, maxLength: 400 })
  .map((bytes) => ({ pieces: [Buffer.from(bytes)], refused: false }));

/** A proper request with some of its bytes changed. */
const mutated = fc
  .tuple(
    fc.constantFrom(
      `${head}content-length: 13\r\nidempotency-key: k\r\n\r\n{"prompt":""}`,
      `${head}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n`,
      'GET /invocations/k/events HTTP/1.1\r\nhost: a\r\nlast-event-id: 1\r\n\r\n',
    ),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    fc.nat(),
  )
  .map(([text, changes, at]) => {
    const bytes = Buffer.from(text, 'latin1');
    for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
    const middle = at % bytes.length;
    return { pieces: [bytes.subarray(0, middle), bytes.subarray(middle)], refused: false };
  });

/** A proper request, cut off at any byte: what half-closed sockets leave. */
const halves = fc.nat().map((at) => {
  const text = `${head}content-length: 13\r\n\r\n{"prompt":""}`;
  return cut(text.slice(0, at % text.length));
});

/** What is no HTTP, nearly HTTP, or HTTP that lies. */
export const hostileBytes: fc.Arbitrary<HostileBytes> = fc.oneof(
  lyingLengths,
  shortBodies,
  longBodies,
  brokenChunks,
  undeclared,
  largeHeads,
  brokenHeads,
  sideways,
  noise,
  { weight: 3, arbitrary: mutated },
  { weight: 2, arbitrary: halves },
);
