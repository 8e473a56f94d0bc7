// The other end of every measurement: an agent, and as much of a platform as it takes to have a session with it.
import { createServer } from 'node:http';

const sandbox = {
  sandboxID: 'bench',
  templateID: 'bench',
  clientID: 'bench',
  envdVersion: '0.6.4',
  startedAt: new Date().toISOString(),
  endAt: new Date(Date.now() + 3_600_000).toISOString(),
  state: 'running',
  metadata: {},
  cpuCount: 1,
  memoryMB: 512,
};

const instance = { 'x-runtime-instance': 'bench' };
const answer = JSON.stringify({
  result: { text: 'forty-two', score: 0.5 },
  status: 'success',
  duration: 0.001,
  metadata: { request_id: 'r', invocation_id: 'i' },
});
const chunk = JSON.stringify({
  id: 'c',
  choices: [{ index: 0, delta: { content: 'token ' }, finish_reason: null }],
});

const server = createServer(async (request, response) => {
  const url = request.url ?? '';
  const body = [];
  for await (const piece of request) body.push(piece);
  if (url.startsWith('/invocations') || url.startsWith('/v1/chat')) {
    const input = JSON.parse(Buffer.concat(body).toString());
    if (input.data?.events ?? input.n) return stream(request, response, input.data ?? { events: input.n });
    response.writeHead(200, { 'content-type': 'application/json', ...instance });
    return response.end(answer);
  }
  if (url === '/ping') return json(response, 200, { status: 'Healthy' });
  if (url.startsWith('/templates')) return json(response, 404, { code: 404, message: 'none' });
  if (request.method === 'DELETE') return response.writeHead(204).end();
  if (request.method === 'POST') return json(response, 201, sandbox);
  json(response, 200, url.startsWith('/v2') ? [] : sandbox);
});

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json', ...instance });
  response.end(JSON.stringify(value));
}

/** Events, so many in a piece, so many milliseconds apart. */
function stream(request, response, { events, perWrite = 16, everyMs = 0, padding = 0 }) {
  const resumable = request.headers['x-stream-protocol'] === 'resumable-1';
  const data = padding ? JSON.stringify('x'.repeat(padding)) : chunk;
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    ...(resumable && { ...instance, 'x-stream-protocol': 'resumable-1' }),
  });
  let id = 0;
  const piece = () => {
    let text = '';
    for (let i = 0; i < perWrite && id < events; i += 1) {
      id += 1;
      text += resumable ? `id: ${id}\ndata: ${data}\n\n` : `data: ${data}\n\n`;
    }
    return text;
  };
  const end = () => {
    const done = `event: done\nid: ${id + 1}\ndata: {"status":"success","duration":1,"metadata":{}}\n\n`;
    response.end(resumable ? done : 'data: [DONE]\n\n');
  };
  const pump = () => {
    while (id < events) {
      if (response.destroyed) return;
      const more = response.write(piece());
      if (everyMs > 0) return setTimeout(pump, everyMs);
      if (!more) return response.once('drain', pump);
    }
    end();
  };
  pump();
}

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.(server.address().port));
process.on('disconnect', () => process.exit(0));
