import { describe, expect } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, post, type Send } from '../../test/each-server.js';

const handler = (request: unknown): unknown => {
  if (request === 'stream') return [1, 2].values();
  if (request === 'fail') throw new Error('no');
  if (request === 'text') return new Response('text');
  if (request === 'empty') return new Response(null, { status: 204 });
  if (request === 'own') return new Response('own', { headers: { 'cache-control': 'max-age=60' } });
  if (request === 'events') {
    return new Response('data: 1\n\n', { headers: { 'content-type': 'text/event-stream' } });
  }
  return request;
};

describe('a cache', () => {
  const responses: Record<string, [request: Parameters<Send>, policy: string]> = {
    'the ping': [['/ping'], 'no-store'],
    metrics: [['/metrics'], 'no-store'],
    'what this is': [['/'], 'no-store'],
    'what is not there': [['/nowhere'], 'no-store'],
    'a value': [['/invocations', post('value')], 'no-store'],
    'a failure': [['/invocations', post('fail')], 'no-store'],
    'the state of an invocation': [['/invocations/known'], 'no-store'],
    'that of one that is not known': [['/invocations/no'], 'no-store'],
    'a cancellation': [['/invocations/known', { method: 'DELETE' }], 'no-store'],
    'a refusal': [['/invocations', { method: 'POST', body: '{' }], 'no-store'],
    'a stream': [['/invocations', post('stream')], 'no-cache, no-transform'],
    'the events of an invocation': [['/invocations/known/events'], 'no-cache, no-transform'],
    'a Response': [['/invocations', post('text')], 'no-store'],
    'an empty Response': [['/invocations', post('empty')], 'no-store'],
    'a Response that streams events': [['/invocations', post('events')], 'no-cache, no-transform'],
    'a Response that says itself what may be kept': [['/invocations', post('own')], 'max-age=60'],
  };
  for (const [name, [request, policy]] of Object.entries(responses)) {
    for (const middleware of ['', ', behind a middleware']) {
      eachServer(`${name} says "${policy}"${middleware}`, async (serve) => {
        const app = agent(handler);
        if (middleware) app.middleware((incoming, next) => next(incoming));
        const send = await serve(app);
        await (await send('/invocations', post(1, { 'x-request-id': 'known' }))).text();
        const response = await send(...request);
        expect(response.headers.get('cache-control')).toBe(policy);
        if (policy.includes('transform')) expect(response.headers.get('x-accel-buffering')).toBe('no');
        await response.text();
      });
    }
  }
});
