import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Sandbox, Volume } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { describeHosts } from './with-host.js';

/** More than the buffers of two sockets hold: none of it can be sent unless somebody reads. */
const bodyBytes = 24 * 1024 * 1024;
const server = `require('node:http').createServer((request, response) => response.end(JSON.stringify(request.rawHeaders))).listen(8080, () => console.log('up'))`;

describeHosts('a request', (fixture) => {
  let sandbox: Sandbox;
  let volume: Volume;
  beforeAll(async () => {
    sandbox = await fixture.create('base', { timeoutMs: 600_000 });
    volume = await fixture.sdk.Volume.create('early', fixture.connection);
    const { apiUrl } = fixture.connection;
    await volume.writeFile('/there', 'already', { apiUrl });
    await sandbox.files.write('server.js', server);
    let output = '';
    const onStdout = (text: string): void => {
      output += text;
    };
    await sandbox.commands.run('node server.js', { background: true, timeoutMs: 0, onStdout });
    await vi.waitFor(() => expect(output).toBe('up\n'), 30_000);
  });
  afterAll(async () => {
    await sandbox?.kill();
  });

  const dial = async (): Promise<Socket> => {
    const { hostname, port } = new URL(fixture.host.apiUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return socket;
  };
  const head = (line: string, headers: Record<string, string>) =>
    `${[line, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`;
  const port = (number: number) => ({
    'e2b-sandbox-id': sandbox.sandboxId,
    'e2b-sandbox-port': String(number),
  });
  const owner = () => ({ authorization: `Bearer ${volume.token}` });

  const refusals: [string, RegExp, () => [line: string, headers: Record<string, string>]][] = [
    ['a port that nobody listens on', /^HTTP\/1.1 502 .*not open/s, () => ['POST /', port(4321)]],
    [
      'a sandbox that is not there',
      /^HTTP\/1.1 502 /,
      () => ['POST /', { ...port(80), 'e2b-sandbox-id': 'none' }],
    ],
    ['files, without a token', /^HTTP\/1.1 401 .*access token/s, () => ['POST /files?path=x', port(49_983)]],
    ['an address that is none for uploads', /^HTTP\/1.1 403 /, () => ['PUT /x/uploads/a/b?key=c', {}]],
    [
      'a file of a volume that is there already',
      /^HTTP\/1.1 409 .*exists already/s,
      () => [`PUT /volumecontent/${volume.volumeId}/file?path=/there`, owner()],
    ],
    [
      'a file of a volume, without a token',
      /^HTTP\/1.1 401 /,
      () => [`PUT /volumecontent/${volume.volumeId}/file?path=/new`, {}],
    ],
    ['the control plane, without a key', /^HTTP\/1.1 401 .*X-API-KEY/s, () => ['POST /v2/sandboxes', {}]],
    [
      'the control plane, longer than it reads',
      /^HTTP\/1.1 413 /,
      () => ['POST /v2/sandboxes', { 'x-api-key': fixture.host.apiKey, 'content-type': 'application/json' }],
    ],
  ];

  test.each(refusals)(
    'for %s is answered though all is sent before the answer is read',
    async (_what, answer, ask) => {
      const [line, headers] = ask();
      const socket = await dial();
      const broken = once(socket, 'close').then(() => 'broken');
      socket.write(head(`${line} HTTP/1.1`, { host: 'x', 'content-length': String(bodyBytes), ...headers }));
      const sent = new Promise((resolve) =>
        socket.write(Buffer.alloc(bodyBytes, ' '), () => resolve('sent')),
      );
      expect(await Promise.race([sent, broken])).toBe('sent');
      expect(String((await once(socket, 'data'))[0])).toMatch(answer);
      // And the connection goes on.
      socket.write(head('GET /health HTTP/1.1', { host: 'x' }));
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
      socket.destroy();
    },
  );

  test('that is cut by its caller is nothing for the log', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const lines: [string, Record<string, string>][] = [
      [`PUT /volumecontent/${volume.volumeId}/file?path=/cut`, owner()],
      ['POST /v2/sandboxes', { 'x-api-key': fixture.host.apiKey }],
    ];
    for (const [line, headers] of lines) {
      const socket = await dial();
      socket.write(`${head(`${line} HTTP/1.1`, { host: 'x', 'content-length': '1000', ...headers })}half`);
      await vi.waitFor(() => expect(socket.bytesWritten).toBeGreaterThan(100));
      await new Promise((resolve) => setTimeout(resolve, 100));
      socket.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(log).not.toHaveBeenCalled();
    log.mockRestore();
    const { apiUrl } = fixture.connection;
    expect(await volume.exists('/cut', { apiUrl })).toBe(false);
  });

  test('of HTTP/1.0 that names no host is handed on as one of HTTP/1.1, which must', async () => {
    const socket = await dial();
    socket.write(head('GET / HTTP/1.0', port(8080)));
    let text = '';
    for await (const data of socket) text += data;
    expect(text).toMatch(/^HTTP\/1.1 200 /);
    expect(JSON.parse(text.slice(text.indexOf('[')))).toContain('localhost:8080');
  });
});
