import { subscribe } from 'node:diagnostics_channel';
import { afterAll, expect } from 'vitest';
import { type PublishedResponse, responseChannelName } from '../../src/control-plane/publish-responses.js';
import type { SeenResponse } from './check-response.js';

// Set up for every test file: whatever the tests are about, each response of a control plane in their process has to be as
// the host's OpenAPI document says.

const seen: Promise<SeenResponse>[] = [];

subscribe(responseChannelName, (message) => {
  const { document, action, response } = message as PublishedResponse;
  const { status, headers } = response;
  const contentType = headers.get('content-type') ?? '';
  // What is not JSON may be of any length, and come slowly.
  const isJson = contentType.startsWith('application/json');
  const body = isJson ? response.text() : Promise.resolve(response.body ? '(not read)' : '');
  if (!isJson) void response.body?.cancel();
  seen.push(body.then((text) => ({ document, action, status, contentType, body: text })));
});

afterAll(async () => {
  if (seen.length === 0) return;
  const { problemOf } = await import('./check-response.js');
  const problems = (await Promise.all(seen)).map(problemOf).filter((one) => one !== undefined);
  expect([...new Set(problems)], 'responses that differ from /openapi.json').toEqual([]);
});
