import { once } from 'node:events';
import { createServer } from 'node:http';
import { values } from './values.mjs';

/** The floor: what the same answers cost with nothing but Node. */
export async function start() {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    if (!body.values) {
      const text = JSON.stringify({ result: body, status: 'success' });
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const value of values(body.values)) {
      if (!response.write(`data: ${JSON.stringify(value)}\n\n`)) await once(response, 'drain');
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}
