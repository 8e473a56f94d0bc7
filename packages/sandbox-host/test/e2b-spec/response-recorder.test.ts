import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ResponseRecorder } from './response-recorder.js';

async function problemsOf(path: string, respond: (response: ServerResponse) => void, headers = {}) {
  const server = createServer((_request, response) => respond(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  using recorder = new ResponseRecorder(port);
  await (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).text();
  await new Promise((resolve) => server.close(resolve));
  return [...recorder.problems];
}

const json = (status: number, body: unknown) => (response: ServerResponse) =>
  void response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
const tag = {
  tag: 'default',
  buildID: 'd9428888-122b-11e1-b85c-61cd3cbb3210',
  createdAt: '2026-12-01T00:00:00.000Z',
};
const path = '/templates/some/tags';
const name = 'GET /templates/{templateID}/tags';

test('a response as documented is no problem, however it is written', async () => {
  expect(await problemsOf(path, json(200, [tag]))).toEqual([]);
  const inPieces = (response: ServerResponse) => {
    response.setHeader('content-type', 'application/json');
    response.write('[');
    response.end(']');
  };
  expect(await problemsOf(path, inPieces)).toEqual([]);
  expect(await problemsOf(path, json(404, { code: 404, message: 'There is none.' }))).toEqual([]);
  // A port of a sandbox responds as it likes.
  const port = { 'e2b-sandbox-id': 'abc', 'e2b-sandbox-port': '8080' };
  expect(await problemsOf(path, json(418, 'tea'), port)).toEqual([]);
});

test.each([
  ['a field that is missing', json(200, [{ ...tag, tag: undefined }]), /200: \[\]\.tag: /],
  ['an id that is no UUID', json(200, [{ ...tag, buildID: 'k3v0' }]), /200: \[\]\.buildID: Invalid UUID/],
  ['a time in another format', json(200, [{ ...tag, createdAt: 'today' }]), /200: \[\]\.createdAt: /],
  ['a field that nobody listed', json(200, [{ ...tag, mine: 1 }]), /200: \[\]: Unrecognized key: "mine"/],
  ['a status that is not documented', json(418, { code: 418, message: 'tea' }), /418: .*not documented/],
  ['a success that is not documented', json(201, [tag]), /201: .*not documented/],
  ['a refusal without a code', json(404, { message: 'none' }), /404: code: /],
  ['a refusal with another code', json(404, { code: 500, message: 'none' }), /404: the code is 500/],
  ['a body that is not JSON', (response: ServerResponse) => void response.end('[]'), /content type is ""/],
])('%s is reported', async (_what, respond, says) => {
  const problems = await problemsOf(path, respond);
  expect(problems).toEqual([expect.stringMatching(says)]);
  expect(problems[0]).toContain(name);
});

test('a path that E2B does not have is reported when it responds with success', async () => {
  expect(await problemsOf('/invented', json(200, {}))).toEqual(['GET /invented 200: is no operation of E2B']);
  expect(await problemsOf('/x/own', json(200, {}))).toEqual([]);
});
