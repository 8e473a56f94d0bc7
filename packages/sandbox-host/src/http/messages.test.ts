import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { refuseOn } from './messages.js';

test('a connection that is refused is closed, even if its other end never closes it', async () => {
  const server = createServer({ allowHalfOpen: true });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const caller = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void caller.destroy());
  const [accepted] = (await once(server, 'connection')) as [Socket];
  refuseOn(accepted, 405, 'No.');
  expect(await text(caller)).toMatch(/^HTTP\/1\.1 405 (?:.|\s)*"message":"No\."}$/);
  expect(accepted.destroyed).toBe(false);
  await once(accepted, 'close');
});
