import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { haveDescriptors } from '@sandpiper/sandbox-engine/descriptors';

/** How many descriptors must be free before a further batch of connections is accepted. */
const acceptedPerLook = 16;
const spareDescriptors = 24;
/** How many connections are accepted without a check. */
const takenUnseen = 8;

/**
 * Bounds the connections of a server. One that is too many takes the place of the one that has been silent for longest,
 * first of those that have never sent anything, then of those that wait for another request; where every connection is at work,
 * it is closed itself.
 *
 * @param most - At a time.
 */
export function boundConnections(server: Server, most: number): void {
  const open = new Set<Socket>();
  const unused = new Set<Socket>();
  const idle = new Set<Socket>();
  // The socket of a TLS request is not the one that was accepted, but it has the same other end.
  const byOtherEnd = new Map<string, Socket>();
  const acceptedAs = new WeakMap<Socket, Socket>();
  const acceptedOf = (socket: Socket): Socket | undefined => {
    let accepted = acceptedAs.get(socket);
    if (accepted) return accepted;
    accepted = open.has(socket) ? socket : byOtherEnd.get(nameOf(socket));
    if (accepted) acceptedAs.set(socket, accepted);
    return accepted;
  };
  let seen = 0;
  const hasRoom = (): boolean => {
    if (open.size >= most) return false;
    if (open.size < takenUnseen) return true;
    if (seen === 0) seen = haveDescriptors(spareDescriptors + acceptedPerLook) ? acceptedPerLook : 0;
    if (seen === 0) return false;
    seen -= 1;
    return true;
  };
  server.on('connection', (socket: Socket) => {
    // Comes again when it wished to speak another protocol and did not.
    if (open.has(socket)) return;
    if (!hasRoom()) {
      const [oldest] = unused;
      const [idlest] = idle;
      const silent = oldest ?? idlest;
      if (!silent) {
        socket.destroy();
        return;
      }
      silent.destroy();
      forget(silent);
    }
    const name = nameOf(socket);
    open.add(socket);
    unused.add(socket);
    byOtherEnd.set(name, socket);
    socket.once('close', () => {
      forget(socket);
      if (byOtherEnd.get(name) === socket) byOtherEnd.delete(name);
    });
  });
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const accepted = acceptedOf(socket);
    if (!accepted) return;
    unused.delete(accepted);
    idle.delete(accepted);
    response.once('close', () => {
      if (open.has(accepted)) idle.add(accepted);
    });
  });
  for (const event of ['upgrade', 'connect'] as const) {
    server.prependListener(event, ({ socket }: IncomingMessage) => {
      const accepted = acceptedOf(socket);
      if (!accepted) return;
      unused.delete(accepted);
      idle.delete(accepted);
    });
  }

  function forget(socket: Socket): void {
    open.delete(socket);
    unused.delete(socket);
    idle.delete(socket);
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
