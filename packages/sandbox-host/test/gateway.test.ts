import { once } from 'node:events';
import {
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
  type RequestOptions,
} from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { describeHosts } from './with-host.js';

const server = `
const http = require('node:http');
const server = http.createServer((request, response) => {
  if (request.url === '/headers') return response.end(JSON.stringify(request.rawHeaders));
  if (request.url === '/echo') return request.pipe(response);
  if (request.url === '/ticks') {
    let n = 0;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write('data: ' + n++ + '\\n\\n'), 50);
    response.on('close', () => { clearInterval(timer); console.log('closed'); });
    return;
  }
  if (request.url === '/cut') { response.write('half'); setTimeout(() => response.destroy(), 50); return; }
  if (request.url === '/trailers') {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('body');
    response.addTrailers({ 'x-sum': '42' });
    return response.end();
  }
  if (request.url === '/babble') return request.socket.end('HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\n12');
  if (request.url === '/specks') {
    return request.socket.end('HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n' + '1\\r\\nx\\r\\n'.repeat(60_000) + '0\\r\\n\\r\\n');
  }
  if (request.url === '/early') { response.writeHead(413); return response.end('too much'); }
  if (request.url === '/reset') return request.socket.destroy();
  response.writeHead(418, 'Short', [['X-Twice', '1'], ['X-Twice', '2']].flat());
  response.end(request.method);
});
server.on('upgrade', (request, socket, head) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n');
  socket.write(head);
  socket.pipe(socket);
});
server.listen(8080, () => console.log('up'));
`;

describeHosts(
  'the gateway',
  (fixture) => {
    let sandbox: Sandbox;
    beforeAll(async () => {
      sandbox = await fixture.create('base', { timeoutMs: 600_000 });
      await start(sandbox);
    });
    afterAll(async () => {
      await sandbox?.kill();
    });

    /** Starts the server and waits until it listens. @returns what it has written since, as it grows. */
    async function start(target: Sandbox): Promise<() => string> {
      await target.files.write('server.js', server);
      let output = '';
      await target.commands.run('node server.js', {
        background: true,
        timeoutMs: 0,
        onStdout: (data) => {
          output += data;
        },
      });
      await vi.waitFor(() => expect(output).toBe('up\n'), 30_000);
      return () => output.slice('up\n'.length);
    }
    /** A request as it is written, to where the host listens. */
    const request = (options: RequestOptions): ClientRequest => {
      const { protocol, hostname, port } = new URL(fixture.host.sandboxUrl);
      const send = protocol === 'https:' ? tlsRequest : plainRequest;
      return send({ hostname, port, ...options });
    };
    const address = (target: Sandbox, port = 8080) => ({
      'e2b-sandbox-id': target.sandboxId,
      'e2b-sandbox-port': String(port),
    });
    const ask = (path: string, init: RequestInit = {}, target = sandbox) =>
      fetch(fixture.host.sandboxUrl + path, { ...init, headers: { ...address(target), ...init.headers } });

    test('hands on every method, status, reason and repeated header as it is', async () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await ask('/any', { method });
        expect([response.status, response.statusText, await response.text()]).toEqual([418, 'Short', method]);
        expect(response.headers.get('x-twice')).toBe('1, 2');
      }
    });

    test('takes the sandbox and its port from the host name, too', async () => {
      const host = `8080-${sandbox.sandboxId}.${fixture.host.domain ?? 'sandboxes.example'}`;
      const sent = request({ path: '/headers', headers: { host } }).end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      let text = '';
      for await (const chunk of response) text += chunk;
      expect(JSON.parse(text)).toContain(host);
    });

    test('keeps what was said to the platform from the agent', async () => {
      const headers = {
        'x-api-key': 'secret',
        'e2b-traffic-access-token': 'secret',
        authorization: 'Bearer own',
      };
      const received = await (await ask('/headers', { headers })).text();
      expect(received).not.toMatch(/secret|e2b-sandbox/i);
      expect(received).toContain('Bearer own');
    });

    test('streams both ways at once, without waiting for the end of either', async () => {
      const sent = request({ path: '/echo', method: 'POST', headers: address(sandbox) });
      for (const part of ['first', 'second']) {
        sent.write(part);
        if (part === 'first') {
          const [response] = (await once(sent, 'response')) as [IncomingMessage];
          Object.assign(sent, { answer: response });
        }
        const { answer } = sent as unknown as { answer: IncomingMessage };
        const [chunk] = (await once(answer, 'data')) as [Buffer];
        expect(chunk.toString()).toBe(part);
      }
      sent.end();
    });

    test('lets the agent know when the caller of a stream has gone', async () => {
      const other = await fixture.create();
      const output = await start(other);
      const controller = new AbortController();
      const response = await ask('/ticks', { signal: controller.signal }, other);
      const reader = response.body?.getReader();
      expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('data: 0');
      controller.abort();
      await expect.poll(output, { timeout: 30_000 }).toBe('closed\n');
      await other.kill();
    });

    test('never makes an answer that was cut look whole', async () => {
      const response = await ask('/cut');
      await expect(response.text()).rejects.toThrow();
      const reset = await ask('/reset');
      expect([reset.status, ((await reset.json()) as { message: string }).message]).toEqual([
        502,
        'The sandbox closed the connection',
      ]);
    });

    test('waits once for a caller that is slower than a server of many small pieces', async () => {
      const warnings: string[] = [];
      const onWarning = ({ message }: Error): void => {
        if (message.includes('drain')) warnings.push(message);
      };
      process.on('warning', onWarning);
      expect(await (await ask('/specks')).text()).toBe('x'.repeat(60_000));
      process.off('warning', onWarning);
      expect(warnings).toEqual([]);
    });

    test('hands on an answer that comes before the whole request has been sent', async () => {
      const body = Buffer.alloc(4 * 1024 * 1024);
      const early = await ask('/early', { method: 'POST', body });
      expect([early.status, await early.text()]).toEqual([413, 'too much']);
      const cut = await ask('/reset', { method: 'POST', body });
      expect([cut.status, await cut.json()]).toMatchObject([
        502,
        { message: 'The sandbox closed the connection' },
      ]);
    });

    test('hands on trailers, and requests about the server itself', async () => {
      const options = { headers: address(sandbox) };
      const [response] = (await once(request({ ...options, path: '/trailers' }).end(), 'response')) as [
        IncomingMessage,
      ];
      response.resume();
      await once(response, 'end');
      expect(response.trailers).toEqual({ 'x-sum': '42' });
      const asked = request({ ...options, method: 'OPTIONS', path: '*' }).end();
      const [about] = (await once(asked, 'response')) as [IncomingMessage];
      about.resume();
      expect(about.statusCode).toBe(418);
    });

    test('refuses an answer that could be read in two ways', async () => {
      const response = await ask('/babble');
      expect([response.status, await response.json()]).toMatchObject([
        502,
        { message: expect.stringMatching(/did not answer in HTTP/) },
      ]);
    });

    test('refuses an upgrade whose port is none', async () => {
      const headers = {
        ...address(sandbox),
        'e2b-sandbox-port': 'x',
        connection: 'Upgrade',
        upgrade: 'websocket',
      };
      const sent = request({ headers }).end();
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      answer.resume();
      expect(answer.statusCode).toBe(400);
      expect((await ask('/any')).status).toBe(418);
    });

    test('joins upgraded connections', async () => {
      const headers = { ...address(sandbox), connection: 'Upgrade', upgrade: 'websocket' };
      const sent = request({ path: '/ws', headers }).end();
      const [response, socket] = (await once(sent, 'upgrade')) as [IncomingMessage, Socket];
      expect(response.headers.upgrade).toBe('websocket');
      socket.write('over the wire');
      expect(String((await once(socket, 'data'))[0])).toBe('over the wire');
      socket.destroy();
      const refused = request({ headers: { ...headers, 'e2b-sandbox-port': '4321' } }).end();
      const [answer] = (await once(refused, 'response')) as [IncomingMessage];
      expect(answer.statusCode).toBe(502);
      answer.resume();
    });

    test('opens private sandboxes only to who has their token', async () => {
      const own = await fixture.create('base', {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: E2B's placeholder looks so.
        network: { allowPublicTraffic: false, maskRequestHost: 'localhost:${PORT}' },
      });
      await start(own);
      expect((await ask('/headers', {}, own)).status).toBe(403);
      expect((await ask('/headers', { headers: { 'e2b-traffic-access-token': 'wrong' } }, own)).status).toBe(
        403,
      );
      const headers = { 'e2b-traffic-access-token': own.trafficAccessToken ?? '' };
      const response = await ask('/headers', { headers }, own);
      expect(response.status).toBe(200);
      expect(await response.json()).toContain('localhost:8080');
      await own.kill();
    });

    test('wakes a paused sandbox once for many requests, when that was asked for', async () => {
      const sleeper = await fixture.create('base', {
        timeoutMs: 120_000,
        lifecycle: { onTimeout: 'pause', autoResume: true },
      });
      await start(sleeper);
      expect((await ask('/any', {}, sleeper)).status).toBe(418);
      await sleeper.pause();
      const statuses = await Promise.all(
        Array.from({ length: 20 }, async () => (await ask('/any', {}, sleeper)).status),
      );
      expect(new Set(statuses)).toEqual(new Set([418]));
      expect((await sleeper.getInfo()).state).toBe('running');
      await sleeper.kill();
    });
  },
  { withTls: true },
);
