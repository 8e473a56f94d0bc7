import { once } from 'node:events';
import fastify from 'fastify';
import { values } from './values.mjs';

export async function start() {
  const app = fastify();
  app.post('/invocations', async (request, reply) => {
    if (!request.body.values) return { result: request.body, status: 'success' };
    // Fastify's own way to stream events by hand: take the response over.
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const value of values(request.body.values)) {
      if (!reply.raw.write(`data: ${JSON.stringify(value)}\n\n`)) await once(reply.raw, 'drain');
    }
    reply.raw.end();
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app.server.address().port;
}
