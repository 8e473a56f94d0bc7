// The agent that is called through proxies. What it saw is asked past the proxy, at `/seen/{id}`.
import { setTimeout } from 'node:timers/promises';
import { AgentRuntimeApp } from '@sandpiper/agent-runtime';

/** How often the handler ran for an id, and when its signal aborted, in ms since 1970. */
const seen = new Map();
// Short, so that a trial need not wait for half a minute; longer than the 5 s after which Varnish's 503 asks to come again.
const app = new AgentRuntimeApp({ config: { resumeGraceMs: 10_000 } });

async function* count({ n, ms }, signal) {
  for (let i = 0; i < n; i += 1) {
    await setTimeout(ms, undefined, { signal });
    yield { i, at: performance.timeOrigin + performance.now() };
  }
}

async function* untilLeft(signal) {
  yield 'started';
  await setTimeout(300_000, undefined, { signal });
}

app.entrypoint(async ({ id, kind, ...how }, { signal }) => {
  const run = { runs: (seen.get(id)?.runs ?? 0) + 1 };
  seen.set(id, run);
  signal.addEventListener('abort', () => {
    run.leftAt = Date.now();
  });
  if (kind === 'count') return count(how, signal);
  if (kind === 'until left') return untilLeft(signal);
  await setTimeout(how.ms, undefined, { signal });
  return 'awake';
});
app.websocket(async (socket) => {
  for await (const message of socket) await socket.send(`echo ${message}`);
});
app.hono.get('/seen/:id', (c) => c.json(seen.get(c.req.param('id')) ?? { runs: 0 }));
app.hono.get('/name', () => new Response(process.env.E2B_SANDBOX_ID));
let asked = 0;
app.hono.get('/count', () => {
  asked += 1;
  // As a file server does, which leaves it to caches to guess for how long that is good.
  return new Response(String(asked), { headers: { 'last-modified': 'Sat, 01 Aug 2026 00:00:00 GMT' } });
});
// How long the rest of a body comes after its beginning.
app.hono.post('/spread', async (c) => {
  let began;
  for await (const _ of c.req.raw.body) began ??= performance.now();
  return c.json(performance.now() - began);
});
// An agent that dies in mid-stream.
app.hono.get('/broken', () => {
  const broken = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode('data: 1\n\n'));
      await setTimeout(200);
      controller.error(new Error('broken on purpose'));
    },
  });
  return new Response(broken, { headers: { 'content-type': 'text/event-stream' } });
});
// A stream without heartbeats, as other servers have.
app.hono.get('/pause/:ms', (c) => {
  const paused = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode('data: 1\n\n'));
      await setTimeout(Number(c.req.param('ms')));
      controller.enqueue(new TextEncoder().encode('data: 2\n\n'));
      controller.close();
    },
  });
  return new Response(paused, { headers: { 'content-type': 'text/event-stream' } });
});
app.hono.get('/large-head', () => new Response('', { headers: { 'x-large': 'x'.repeat(6_000) } }));
app.hono.get('/raw/*', (c) =>
  c.json({ path: new URL(c.req.url).pathname, authorization: c.req.header('authorization') }),
);
app.run();
