// The least that answers `commands.run` of E2B's SDK: node:http, Connect's frames written by hand, a spawn. No sandbox.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

function frame(flags, message) {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { cmd, args } = JSON.parse(Buffer.concat(parts).subarray(5)).process;
  // As in a sandbox: no profile of the machine's, and the environment that programs have there.
  const env = { PATH: process.env.PATH, LANG: 'C.UTF-8' };
  const program = spawn(cmd, ['--noprofile', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  for (const output of [program.stdout, program.stderr]) output.resume();
  response.writeHead(200, { 'content-type': 'application/connect+json' });
  response.write(frame(0, { event: { start: { pid: program.pid } } }));
  program.once('close', (exitCode) => {
    response.write(
      frame(0, { event: { end: { exitCode, exited: true, status: `exit status ${exitCode}` } } }),
    );
    response.end(frame(2, {}));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.once('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {});
  process.send({ sandboxUrl: `http://127.0.0.1:${server.address().port}` });
});
