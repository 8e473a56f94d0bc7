// The least that a reverse proxy in Node.js does, wired by hand: what the gateway is measured beside.
import { Agent, createServer, request } from 'node:http';
import { reportUsage } from './usage.mjs';

const { hostname, port } = new URL(process.env.BENCH_UPSTREAM);
const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, response) => {
  const { method, url, rawHeaders } = incoming;
  const outgoing = request({ agent, hostname, port, method, path: url, headers: rawHeaders }, (answer) => {
    response.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
    answer.pipe(response);
  });
  outgoing.once('error', () => response.destroy());
  incoming.pipe(outgoing);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  reportUsage();
  process.once('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {});
  process.send({ origin: `http://127.0.0.1:${server.address().port}` });
});
