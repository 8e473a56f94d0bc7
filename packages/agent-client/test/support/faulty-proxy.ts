import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** What a proxy does to one connection. */
export type Fault =
  | { kind: 'none' }
  /** Closes both sides after this many bytes of the response; `reset` as a crash would. */
  | { kind: 'cut'; afterBytes: number; reset: boolean }
  /** Passes the request on and answers in the agent's stead, as a gateway that lost it. */
  | { kind: 'lost'; status: number }
  /** Answers with these bytes in the agent's stead; the agent gets the request all the same, or does not. */
  | { kind: 'foreign'; bytes: string; passesOn: boolean }
  /** Answers with the last whole response that passed, which was another request's. */
  | { kind: 'stale' }
  /** Sends the request twice, and passes on the second response. */
  | { kind: 'replayed' }
  /** Holds the response back for this long. */
  | { kind: 'late'; ms: number }
  /** Takes the request and passes nothing on. */
  | { kind: 'swallowed' }
  /** Refuses as soon as it is connected. */
  | { kind: 'refused' }
  /** Passes the response on in pieces of this many bytes. */
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
  let lastResponse: Buffer | undefined;
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
    if (fault.kind === 'foreign' && !fault.passesOn) {
      return void client.once('data', () => client.end(fault.bytes));
    }
    const stale = fault.kind === 'stale' ? lastResponse : undefined;
    if (stale) return void client.once('data', () => client.end(stale));
    const port = proxy.upstreamPort;
    const upstream = track(connect(port, '127.0.0.1'));
    client.on('close', () => upstream.destroy());
    if (fault.kind === 'replayed') return replay(client, upstream, () => track(connect(port, '127.0.0.1')));
    client.pipe(upstream);
    if (fault.kind === 'none') {
      const pieces: Buffer[] = [];
      upstream.on('data', (piece: Buffer) => pieces.push(piece));
      upstream.on('end', () => {
        lastResponse = Buffer.concat(pieces);
      });
    }
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

/** As a proxy that takes a connection for broken on which the request had arrived. */
function replay(client: Socket, first: Socket, again: () => Socket): void {
  const sent: Buffer[] = [];
  client.on('data', (piece: Buffer) => {
    sent.push(piece);
    first.write(piece);
  });
  first.once('data', () => {
    first.destroy();
    client.removeAllListeners('data');
    const second = again();
    client.on('close', () => second.destroy());
    second.write(Buffer.concat(sent));
    client.pipe(second);
    relay(second, client, { kind: 'none' });
  });
  first.on('close', () => {
    if (first.bytesRead === 0) client.destroy();
  });
}

function relay(upstream: Socket, client: Socket, fault: Fault): void {
  let passed = 0;
  const ending = fault.kind === 'late' ? fault.ms + 5 : 0;
  upstream.on('close', () => (ending > 0 ? setTimeout(() => client.end(), ending) : client.end()));
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
      case 'foreign':
        if (passed === 0) client.end(fault.bytes);
        passed += chunk.length;
        return;
      case 'late':
        setTimeout(() => client.write(chunk), fault.ms);
        return;
      case 'pieces':
        for (let i = 0; i < chunk.length; i += fault.size) client.write(chunk.subarray(i, i + fault.size));
        return;
      default:
        client.write(chunk);
    }
  });
}
