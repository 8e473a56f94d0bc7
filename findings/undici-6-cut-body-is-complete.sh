#!/usr/bin/env bash
# The fetch of Node.js 20.20.2 takes a chunked response that is cut for a complete one, if the response says
# `Connection: close`.
#
# Packages:    undici 6.24.1 (what Node.js 20.20.2 has built in), 6.29.1 and 7.30.0, on Node.js 20 and later.
# Expectation: a chunked body ends with its last chunk, `0`. A connection that closes before has cut it, which is an error
#              (RFC 9112, section 8), whatever `Connection` says. A server that is being stopped sends `Connection: close`,
#              and is then ended: the case in which it matters.
# Behaviour:   6.24.1 resolves `response.text()` with what had come by then. Without `Connection: close` it rejects, as the
#              other versions do in both cases.
# Seen:        6.24.1 keep-alive: rejected, close: "half"
#              6.29.1 keep-alive: rejected, close: rejected
#              7.30.0 keep-alive: rejected, close: rejected
# Exits non-zero when any of that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts \
  undici-a@npm:undici@6.24.1 undici-b@npm:undici@6.29.1 undici-c@npm:undici@7.30.0 >/dev/null

cat >program.mjs <<'PROGRAM'
import { createServer } from 'node:net';

// One version a process: the first that is imported gives the others its dispatcher.
const [name, version] = process.argv.slice(2);
const { fetch } = await import(name);
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => {
    socket.write(`HTTP/1.1 200 OK\r\nconnection: ${connection}\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`);
    setTimeout(() => socket.end(), 100);
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
let connection;
const seen = [];
for (connection of ['keep-alive', 'close']) {
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  const outcome = await response.text().then((text) => JSON.stringify(text), () => 'rejected');
  seen.push(`${connection}: ${outcome}`);
}
console.log(`${version} ${seen.join(', ')}`);
server.close();
process.exit();
PROGRAM

for version in 'undici-a 6.24.1' 'undici-b 6.29.1' 'undici-c 7.30.0'; do
  # shellcheck disable=SC2086 # A name and a version.
  node program.mjs $version
done | tee seen.txt
diff seen.txt - <<'EXPECTED'
6.24.1 keep-alive: rejected, close: "half"
6.29.1 keep-alive: rejected, close: rejected
7.30.0 keep-alive: rejected, close: rejected
EXPECTED
