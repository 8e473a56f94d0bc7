import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SandboxHost } from '../src/index.js';
import { addressOf, exchange, headOf, hostServing } from './raw-http.js';

/** Keeps what it was asked, as it understood it. */
const recorder = `
const seen = [];
require('node:http').createServer((request, response) => {
  if (request.url === '/seen') return response.end(JSON.stringify(seen));
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    if (request.url !== '/named') return response.end('done');
    response.writeHead(200, ['Connection', 'keep-alive, content-length, cache-control, x-hop', 'Content-Length', '4', 'Cache-Control', 'private', 'X-Hop', 'own']);
    response.end('body');
  });
}).listen(8080, () => console.log('up'));
`;

interface Seen {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}

let host: SandboxHost;
let sandbox: Sandbox;
beforeAll(async () => {
  ({ host, sandbox } = await hostServing(recorder));
});
afterAll(() => host?.close());

/** What the server has been asked under one path, or in all. */
async function seen(url?: string): Promise<Seen[]> {
  const response = await fetch(`${host.sandboxUrl}/seen`, { headers: addressed() });
  const all = (await response.json()) as Seen[];
  return url === undefined ? all : all.filter((one) => one.url === url);
}

function addressed(): Record<string, string> {
  const { host: _, ...headers } = addressOf(sandbox);
  return headers;
}

const send = (
  line: string,
  headers: Record<string, string>,
  body = '',
  isEnough = (received: string) => /\r\n0\r\n\r\n$|done$/.test(received),
): Promise<string> =>
  exchange(host.sandboxUrl, headOf(line, { ...addressOf(sandbox), ...headers }) + body, isEnough);

const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n';

test('a caller cannot take the length of its body away', async () => {
  for (const named of ['content-length', 'keep-alive, Content-Length', 'transfer-encoding, content-length']) {
    const headers = { connection: named, 'content-length': String(smuggled.length) };
    expect(await send('POST /length HTTP/1.1', headers, smuggled)).toMatch(/^HTTP\/1.1 200 /);
  }
  expect((await seen('/length')).map(({ body }) => body)).toEqual([smuggled, smuggled, smuggled]);
  expect(await seen('/smuggled')).toEqual([]);
});

test('a caller can name away what is about its connection, and nothing that is for the server', async () => {
  const kept = {
    authorization: 'Bearer own',
    cookie: 'a=b',
    'content-type': 'text/plain',
    'x-forwarded-for': '192.0.2.1',
    'idempotency-key': 'k',
    traceparent: '00-1-1-00',
  };
  const connection = [...Object.keys(kept), 'host', 'x-gateway-token', 'x-hop'].join(', ');
  await send('GET /fields HTTP/1.1', { ...kept, 'x-hop': 'own', 'x-other': 'own', connection });
  const [{ headers }] = (await seen('/fields')) as [Seen];
  expect(headers).toMatchObject({ ...kept, host: 'a', 'x-other': 'own' });
  expect(headers['x-gateway-token']).toMatch(/^ey/);
  expect(headers).not.toHaveProperty('x-hop');
});

test('a server cannot take the length of its answer or its rules for caches away', async () => {
  const answer = await send('GET /named HTTP/1.1', {}, '', (text) => text.endsWith('body'));
  expect(answer).toMatch(/\r\ncontent-length: 4\r\n/i);
  expect(answer).toMatch(/\r\ncache-control: private\r\n/i);
  expect(answer).not.toMatch(/x-hop/i);
});

test('chunks arrive as their bytes, whatever is said about them', async () => {
  const body = '4;a="b;c"\r\nbody\r\n1\r\n!\r\n0\r\nx-trailer: own\r\n\r\n';
  await send('POST /chunks HTTP/1.1', { 'transfer-encoding': 'chunked' }, body);
  const [only] = (await seen('/chunks')) as [Seen];
  expect(only.body).toBe('body!');
  expect(only.headers).not.toHaveProperty('x-trailer');
});

test('an empty body keeps its length, and none gets one', async () => {
  await send('POST /empty HTTP/1.1', { 'content-length': '0' });
  await send('GET /none HTTP/1.1', {});
  expect((await seen('/empty'))[0]?.headers).toHaveProperty('content-length', '0');
  expect((await seen('/none'))[0]?.headers).not.toHaveProperty('content-length');
});

const chunked = `0\r\n\r\n${smuggled}`;
const length = `content-length: ${chunked.length}`;
/** Requests that two readers could take for different ones (RFC 9112, sections 2.2, 3.2, 5 and 6). */
const ambiguous: Record<string, [lines: string[], body: string, version?: string]> = {
  'two lengths': [[length, 'content-length: 0'], chunked],
  'a length twice': [[length, length], chunked],
  'lengths in a list': [[`content-length: ${chunked.length}, ${chunked.length}`], chunked],
  'a length with a sign': [[`content-length: +${chunked.length}`], chunked],
  'a length in hexadecimal': [['content-length: 0x10'], chunked],
  'a length and chunks': [[length, 'transfer-encoding: chunked'], chunked],
  'chunks and a length': [['transfer-encoding: chunked', length], chunked],
  'chunks within another coding': [['transfer-encoding: gzip, chunked'], chunked],
  'chunks twice': [['transfer-encoding: chunked', 'transfer-encoding: chunked'], chunked],
  'chunks that are not the last coding': [['transfer-encoding: chunked, identity'], chunked],
  'a coding that is none': [['transfer-encoding: xchunked'], chunked],
  'chunks in HTTP/1.0': [['transfer-encoding: chunked'], chunked, '1.0'],
  'a folded header': [['x-a: b', ' transfer-encoding: chunked', length], chunked],
  'a space before the colon': [['transfer-encoding : chunked', length], chunked],
  'a bare line feed': [[`x-a: b\ntransfer-encoding: chunked`, length], chunked],
  'a bare carriage return': [[`x-a: b\rtransfer-encoding: chunked`, length], chunked],
  'a NUL': [['x-a: b\0', length], chunked],
  'two hosts': [['host: b'], ''],
  'a chunk whose size is none': [['transfer-encoding: chunked'], `0x0\r\n\r\n${smuggled}`],
  'a chunk whose extension holds a bare line feed': [
    ['transfer-encoding: chunked'],
    `1;a\nb\r\nx\r\n0\r\n\r\n`,
  ],
  'a chunk longer than its size': [['transfer-encoding: chunked'], `1\r\nxx\r\n0\r\n\r\n`],
};

test.for(Object.entries(ambiguous))('refuses %s', async ([, [lines, body, version = '1.1']]) => {
  const before = (await seen()).length;
  const address = Object.entries(addressOf(sandbox)).map(([name, value]) => `${name}: ${value}`);
  const text = headOf(`POST /ambiguous HTTP/${version}`, [...address, ...lines]) + body;
  const answer = await exchange(host.sandboxUrl, text, (received) => /done$|\r\n0\r\n\r\n$/.test(received));
  expect(answer).toMatch(/^HTTP\/1.1 (400|501) /);
  expect(answer).toMatch(/connection: close/i);
  expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1);
  expect((await seen()).slice(before)).toEqual([]);
});
