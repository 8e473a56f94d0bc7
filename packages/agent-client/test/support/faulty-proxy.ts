import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** What a proxy does to one connection. */
export type Fault =
  | { kind: 'none' }
  /** Closes both sides after so many bytes of the answer; `reset` as a crash would. */
  | { kind: 'cut'; afterBytes: number; reset: boolean }
  /** Passes the request on and answers in the agent's stead, as a gateway that lost it. */
  | { kind: 'lost'; status: number }
  /** Takes the request and passes nothing on. */
  | { kind: 'swallowed' }
  /** Refuses as soon as it is connected. */
  | { kind: 'refused' }
  /** Passes the answer on in pieces of so many bytes. */
  | { kind: 'pieces'; size: number };

/** A proxy below HTTP, whose faults a test chooses. */
export interface FaultyProxy {
  origin: string;
  /** Where it passes requests on to. */
  upstreamPort: number;
}

/** Starts a proxy for one test. @param nextFault - Asked for each connection. */
export async function faultyProxy(upstreamPort: number, nextFault: () => Fault): Promise<FaultyProxy> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer({ noDelay: true }, (client) => {
    track(client);
    const fault = nextFault();
    if (fault.kind === 'refused') return void client.destroy();
    if (fault.kind === 'swallowed') {
      client.resume();
      return void client.once('data', () => setTimeout(() => client.destroy(), 5));
    }
    const upstream = track(connect(proxy.upstreamPort, '127.0.0.1'));
    client.pipe(upstream);
    client.on('close', () => upstream.destroy());
    relay(upstream, client, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, upstreamPort };
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}

function relay(upstream: Socket, client: Socket, fault: Fault): void {
  let passed = 0;
  upstream.on('close', () => client.end());
  upstream.on('data', (chunk) => {
    switch (fault.kind) {
      case 'cut': {
        const left = fault.afterBytes - passed;
        passed += chunk.length;
        if (chunk.length < left) return void client.write(chunk);
        upstream.destroy();
        const last = chunk.subarray(0, Math.max(left, 0));
        if (fault.reset) client.write(last, () => client.resetAndDestroy());
        else client.end(last);
        return;
      }
      case 'lost': {
        const body = JSON.stringify({ message: 'upstream is gone' });
        const head = `HTTP/1.1 ${fault.status} Gone\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`;
        if (passed === 0) client.end(head + body);
        passed += chunk.length;
        return;
      }
      case 'pieces':
        for (let i = 0; i < chunk.length; i += fault.size) client.write(chunk.subarray(i, i + fault.size));
        return;
      default:
        client.write(chunk);
    }
  });
}
