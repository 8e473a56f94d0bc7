// What requests are sent to: inside a sandbox, behind the gateway, and the very same without either.
const { createReadStream, createWriteStream } = require('node:fs');
const { createServer } = require('node:http');
const { pipeline } = require('node:stream');

const body = JSON.stringify({ result: 'forty-two', status: 'success', duration: 0.001 });
const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://server');
  if (url.pathname === '/ticks') return ticks(response, Number(url.searchParams.get('count')));
  if (url.pathname === '/file') return file(request, response, url.searchParams.get('path'));
  request.resume();
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
});

/** Chunks that say when they were sent, on the clock that all processes of a machine share. */
function ticks(response, count) {
  response.writeHead(200, { 'content-type': 'text/plain' });
  const timer = setInterval(() => {
    response.write(`${process.hrtime.bigint()}\n`);
    if (--count > 0) return;
    clearInterval(timer);
    response.end();
  }, 5);
  response.once('close', () => clearInterval(timer));
}

function file(request, response, path) {
  if (request.method === 'GET') return pipeline(createReadStream(path), response, () => {});
  pipeline(request, createWriteStream(path), (error) => {
    response.writeHead(error ? 500 : 200).end();
  });
}

server.keepAliveTimeout = 60_000;
server.listen(Number(process.env.BENCH_PORT ?? 8080), '127.0.0.1', async () => {
  if (!process.send) return;
  const { reportUsage } = await import('./usage.mjs');
  reportUsage();
  process.once('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {});
  process.send({ origin: `http://127.0.0.1:${server.address().port}` });
});
