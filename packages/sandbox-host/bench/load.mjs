import { connect } from 'node:net';

/**
 * Sends one request over and over through some connections for a while, one at a time on each. Speaks to the sockets
 * itself: an HTTP client would use more of the machine than the servers that are measured.
 *
 * @returns How long each answer took, in milliseconds.
 */
export async function load({ origin, path, headers, connections, ms }) {
  const { hostname, port } = new URL(origin);
  const lines = Object.entries({ host: hostname, ...headers }).map(([name, value]) => `${name}: ${value}`);
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const until = performance.now() + ms;
  const took = [];
  const one = () =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let sentAt = 0;
      let received = '';
      const send = () => {
        sentAt = performance.now();
        socket.write(request);
      };
      socket.setEncoding('latin1');
      socket.once('connect', send);
      socket.once('error', reject);
      socket.once('close', resolve);
      socket.on('data', (text) => {
        received += text;
        if (!isWhole(received)) return;
        if (!received.startsWith('HTTP/1.1 200 ')) return socket.destroy(new Error(received));
        received = '';
        const now = performance.now();
        took.push(now - sentAt);
        if (now < until) send();
        else socket.destroy();
      });
    });
  await Promise.all(Array.from({ length: connections }, one));
  return took;
}

function isWhole(received) {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1];
  return received.length >= end + 4 + Number(length);
}
