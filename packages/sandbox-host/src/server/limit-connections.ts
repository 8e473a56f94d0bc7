import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { haveDescriptors } from '@sandpiper/sandbox-engine/descriptors';

/** Descriptors that are looked for before so many connections more are taken. */
const acceptedPerLook = 16;
const spareDescriptors = 24;
/** So many connections are taken without a look. */
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
  // By the other end, since the socket of a TLS request is not the one that was accepted.
  const unused = new Map<string, Socket>();
  const idle = new Map<string, Socket>();
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
    const name = nameOf(socket);
    if (!hasRoom()) {
      const [oldest] = unused.values();
      const [idlest] = idle.values();
      const silent = oldest ?? idlest;
      if (!silent) {
        socket.destroy();
        return;
      }
      silent.destroy();
      forget(nameOf(silent), silent);
    }
    open.add(socket);
    unused.set(name, socket);
    socket.once('close', () => forget(name, socket));
  });
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const name = nameOf(socket);
    const accepted = unused.get(name) ?? idle.get(name);
    unused.delete(name);
    idle.delete(name);
    response.once('close', () => {
      if (accepted && open.has(accepted)) idle.set(name, accepted);
    });
  });
  for (const event of ['upgrade', 'connect'] as const) {
    server.prependListener(event, ({ socket }: IncomingMessage) => {
      const name = nameOf(socket);
      unused.delete(name);
      idle.delete(name);
    });
  }

  function forget(name: string, socket: Socket): void {
    open.delete(socket);
    if (unused.get(name) === socket) unused.delete(name);
    if (idle.get(name) === socket) idle.delete(name);
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
