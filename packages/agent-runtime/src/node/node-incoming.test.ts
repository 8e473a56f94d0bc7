import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { NodeIncoming } from './node-incoming.js';

test('a caller that leaves in the middle of its body is no failing of the agent', async () => {
  const server = createServer();
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{');
  const [request, response] = await once(server, 'request');
  const reading = new NodeIncoming(request, response).readText(100);
  socket.destroy();
  await expect(reading).rejects.toMatchObject({ status: 499, type: 'AbortError' });
});
