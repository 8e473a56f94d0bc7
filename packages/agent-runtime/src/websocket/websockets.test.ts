import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { agent } from '../../test/agent.js';
import { decorated } from '../../test/compile-decorated.js';
import { eventually } from '../../test/eventually.js';
import type { RuntimeConfig } from '../config.js';
import type { WebSocketHandler } from './agent-socket.js';

async function serve(handler: WebSocketHandler, config: RuntimeConfig = {}): Promise<number> {
  const app = agent(() => 1, config);
  app.websocket(handler);
  onTestFinished(() => app.close());
  return (await app.run({ port: 0, host: '127.0.0.1' })).port;
}

function open(
  port: number,
  path = '/ws',
  headers: Record<string, string> = {},
): { socket: WebSocket; messages: (string | Buffer)[]; closed: Promise<number> } {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
  const messages: (string | Buffer)[] = [];
  socket.on('message', (data: Buffer, isBinary) => messages.push(isBinary ? data : String(data)));
  const closed = new Promise<number>((resolve, reject) => {
    socket.on('close', resolve);
    socket.on('error', reject);
  });
  return { socket, messages, closed };
}

describe('a WebSocket', () => {
  test('carries text and bytes both ways, with a context', async () => {
    const port = await serve(async (socket, context) => {
      await socket.send(`hello ${context.requestId}`);
      for await (const message of socket) await socket.send(message);
    });
    const { socket, messages } = open(port, '/ws', { 'x-request-id': 'r' });
    socket.on('open', () => {
      socket.send('text');
      socket.send(new Uint8Array([0, 255]));
    });
    await eventually(() => expect(messages).toEqual(['hello r', 'text', Buffer.from([0, 255])]));
    socket.close();
  });

  test('is refused while the agent shuts down, on a connection that was open before', async () => {
    const app = agent(() => 1);
    app.websocket(async (socket) => {
      for await (const message of socket) if (message === 'end') return;
    });
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    const { socket: running, closed } = open(port);
    await eventually(() => expect(running.readyState).toBe(WebSocket.OPEN));
    const late = connect(port, '127.0.0.1');
    let answer = '';
    late.on('data', (data) => {
      answer += String(data);
    });
    // Its first response shows that it has been accepted.
    late.write('GET /ping HTTP/1.1\r\nhost: a\r\n\r\n');
    await eventually(() => expect(answer).toContain('Healthy'));
    answer = '';
    const stopped = app.close();
    late.write(
      'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
        'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n',
    );
    await eventually(() => expect(answer).toMatch(/^HTTP\/1\.1 503 .*retry-after: 1\r\n.*"unavailable"/s));
    running.send('end');
    expect(await closed).toBe(1000);
    await stopped;
  });

  test('is closed normally when the handler returns, and with 1011 when it throws', async () => {
    const port = await serve(async (socket) => {
      for await (const message of socket) {
        if (message === 'throw') throw new Error('no');
        return;
      }
    });
    for (const [message, code] of [
      ['return', 1000],
      ['throw', 1011],
    ] as const) {
      const { socket, closed } = open(port);
      socket.on('open', () => socket.send(message));
      expect(await closed).toBe(code);
    }
  });

  test('whose caller leaves aborts the signal and ends the iteration', async () => {
    const events: string[] = [];
    const port = await serve(async (socket, { signal }) => {
      signal.addEventListener('abort', () => events.push('aborted'));
      for await (const _ of socket);
      events.push('ended');
    });
    const { socket, closed } = open(port);
    socket.on('open', () => socket.terminate());
    await closed;
    await eventually(() => expect(events.toSorted()).toEqual(['aborted', 'ended']));
  });

  test('asks for the same credentials as every other request', async () => {
    const port = await serve((socket) => void socket.send('in'), { auth: { bearerToken: 'secret' } });
    const refusals: IncomingMessage[] = [];
    const refused = open(port);
    refused.socket.on('unexpected-response', (_, response) => refusals.push(response));
    await eventually(() => expect(refusals).toHaveLength(1));
    expect([refusals[0]?.statusCode, refusals[0]?.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    refusals[0]?.resume();
    const { messages, closed } = open(port, '/ws', { authorization: 'Bearer secret' });
    expect(await closed).toBe(1000);
    expect(messages).toEqual(['in']);
  });

  test('is on /ws only, and closes for a message that is too large', async () => {
    const port = await serve(
      async (socket) => {
        for await (const _ of socket);
      },
      { maxRequestBytes: 100 },
    );
    await expect(open(port, '/other').closed).rejects.toThrow('404');
    const { socket, closed } = open(port);
    socket.on('open', () => socket.send('x'.repeat(101)));
    expect(await closed).toBe(1009);
  });

  test('and a middleware may be decorated methods, whose instance is then their this', async () => {
    const app = agent(() => 1);
    onTestFinished(() => app.close());
    const greeter = new ((await decorated()).greeterOfSockets(app))();
    greeter.name = 'Ada';
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    const { messages, closed } = open(port);
    await closed;
    expect(messages).toEqual(['Hello from Ada']);
    expect((await fetch(`http://127.0.0.1:${port}/`)).headers.get('x-name')).toBe('Ada');
  });

  test('that is none but says so is answered, and the next one served', async () => {
    const port = await serve((socket) => void socket.send('in'));
    const answer = await new Promise<string>((resolve) => {
      const raw = connect(port, '127.0.0.1', () => {
        raw.write(
          'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 99\r\n\r\n',
        );
      });
      raw.once('data', (data) => resolve(String(data)));
    });
    expect(answer).toMatch(/^HTTP\/1.1 400 .*sec-websocket-version: 13, 8\r\n.*"error"/s);
    expect(await open(port).closed).toBe(1000);
  });

  test('is closed as going away when the agent shuts down', async () => {
    const app = agent(() => 1, { shutdownGraceMs: 10 });
    app.websocket(async (socket) => {
      for await (const _ of socket);
    });
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    const { socket, closed } = open(port);
    await new Promise((resolve) => socket.on('open', resolve));
    await app.close();
    expect(await closed).toBe(1001);
  });
});
