import { on } from 'node:events';
import type { RawData, WebSocket } from 'ws';
import type { AgentSocket } from '../websocket/agent-socket.js';

/** How many messages may wait for a handler before the connection is read no further. */
const highWaterMark = 16;

/** A `ws` connection as handlers see it. */
export function nodeSocket(socket: WebSocket): AgentSocket {
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        socket.send(message, (error) => (error ? reject(error) : resolve()));
      }),
    close: (code = 1000, reason) => socket.close(code, reason),
    async *[Symbol.asyncIterator]() {
      // A socket that is closed emits no more, and would be waited for in vain.
      if (socket.readyState !== socket.OPEN) return;
      for await (const [data, isBinary] of on(socket, 'message', { close: ['close'], highWaterMark })) {
        yield isBinary ? bytesOf(data) : String(data);
      }
    },
  };
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
