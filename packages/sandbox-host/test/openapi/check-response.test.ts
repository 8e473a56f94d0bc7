import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../../src/index.js';
import { problemOf } from './check-response.js';

let host: SandboxHost;
let document: Record<string, unknown>;

beforeAll(async () => {
  host = await createSandboxHost({ isolation: 'none' });
  document = (await (await fetch(`${host.apiUrl}/openapi.json`)).json()) as Record<string, unknown>;
});
afterAll(() => host.close());

test('the document is valid OpenAPI 3.1, and so is every schema in it', async () => {
  expect(await new Validator().validate(document)).toEqual({ valid: true });
  expect(JSON.stringify(document)).not.toContain('$defs');
});

test('the document says of every operation what success looks like', () => {
  const operations = Object.entries(document.paths as Record<string, Record<string, { responses: object }>>)
    .filter(([path]) => !/^\/(secrets|teams)/.test(path))
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => ({ path, method, ...one })));
  expect(operations.length).toBeGreaterThan(50);
  for (const { path, method, responses } of operations)
    expect(Object.keys(responses)[0], `${method} ${path}`).toMatch(/^20\d$/);
});

const tag = { tag: 'default', buildID: 'b', createdAt: '2026-12-01T00:00:00.000Z' };
const tags = { action: 'GET /templates/{templateID}/tags', status: 200, contentType: 'application/json' };
const none = { action: 'DELETE /templates/{templateID}', status: 204, contentType: '', body: '' };
const refusal = { ...tags, status: 404, body: '{"code":404,"message":"There is none."}' };

test('a response as described is no problem', () => {
  for (const one of [{ ...tags, body: JSON.stringify([tag]) }, none, refusal])
    expect(problemOf({ document, ...one })).toBeUndefined();
});

test.each([
  [
    'a field that is missing',
    { ...tags, body: JSON.stringify([{ ...tag, tag: undefined }]) },
    /\/\[\]: .*'tag'/,
  ],
  [
    'a field that is not described',
    { ...tags, body: JSON.stringify([{ ...tag, mine: 1 }]) },
    /additional.*"mine"/,
  ],
  [
    'a time in another format',
    { ...tags, body: JSON.stringify([{ ...tag, createdAt: 'today' }]) },
    /createdAt: .*date-time|createdAt: .*pattern/,
  ],
  [
    'another content type',
    { ...tags, contentType: 'text/plain', body: '[]' },
    /the content type is "text\/plain"/,
  ],
  ['another success', { ...tags, status: 201, body: '[]' }, /201: the status is not described/],
  ['a body where none is described', { ...none, body: '{}' }, /204: has a body/],
  ['a refusal without a message', { ...refusal, body: '{"code":404}' }, /404: .*'message'/],
  ['a refusal with another code', { ...refusal, body: '{"code":500,"message":"x"}' }, /404: the code is 500/],
  [
    'a route that is not described',
    { ...tags, action: 'GET /invented', body: '[]' },
    /the route is not described/,
  ],
])('%s is reported', (_what, response, problem) => {
  expect(problemOf({ document, ...response })).toMatch(problem);
});

// What they respond with is compared as in every test file.
test("the host's own routes respond as described", async () => {
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { 'x-api-key': host.apiKey };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${host.apiUrl}${path}`, { method, headers, ...sent });
    expect(response.status, `${method} ${path}`).toBeLessThan(300);
    return response.text();
  };
  const { sandboxID } = JSON.parse(await ask('POST', '/v2/sandboxes', { templateID: 'base' }));
  const own = `/x/sandboxes/${sandboxID}`;
  await ask('GET', `${own}/explain`);
  await ask('POST', `${own}/idle`, { idleMs: 60_000 });
  await ask('GET', `${own}/explain`);
  await ask('POST', `/sandboxes/${sandboxID}/pause`, {});
  await ask('GET', `${own}/explain`);
  await ask('DELETE', `${own}/idle`);
  await ask('PUT', '/x/pools/base', { min: 1 });
  await ask('GET', '/x/pools');
  await ask('PUT', '/x/pools/base', { min: 0 });
  for (const path of ['/x/capabilities', '/x/audit', '/x/audit/verify', '/metrics']) await ask('GET', path);
});
