import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { values } from './values.mjs';

export function start() {
  const app = new Hono();
  app.post('/invocations', async (c) => {
    const body = await c.req.json();
    if (!body.values) return c.json({ result: body, status: 'success' });
    return streamSSE(c, async (stream) => {
      for await (const value of values(body.values)) await stream.writeSSE({ data: JSON.stringify(value) });
    });
  });
  return new Promise((resolve) => {
    serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port));
  });
}
