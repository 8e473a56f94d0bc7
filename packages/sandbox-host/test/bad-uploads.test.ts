import { once } from 'node:events';
import { connect } from 'node:net';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

describeHosts('an upload', (fixture) => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await fixture.create('base', { timeoutMs: 600_000 });
  });
  afterAll(async () => {
    await sandbox?.kill();
  });

  const headers = (more: Record<string, string>) => ({
    'e2b-sandbox-id': sandbox.sandboxId,
    'e2b-sandbox-port': '49983',
    'x-access-token': (sandbox as unknown as { envdAccessToken: string }).envdAccessToken,
    ...more,
  });

  /** Sends bytes as they are, and ends or cuts the connection. @returns the status line, if one came. */
  async function send(
    query: string,
    more: Record<string, string>,
    body: string,
    cut: boolean,
  ): Promise<string> {
    const { hostname, port } = new URL(fixture.host.sandboxUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const lines = Object.entries(headers({ host: 'x', connection: 'close', ...more })).map(
      ([k, v]) => `${k}: ${v}`,
    );
    socket.write(`POST /files${query} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
    if (cut) socket.end();
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    await once(socket, 'close');
    return text.split('\r\n')[0] ?? '';
  }

  const form = 'multipart/form-data; boundary=b';
  const part = '--b\r\ncontent-disposition: form-data; name="file"; filename="part.txt"\r\n\r\ncontent';

  test('that is cut leaves the file that was there as it was, and nothing else', async () => {
    await sandbox.files.write('kept.sh', 'the first');
    await sandbox.commands.run('chmod 750 kept.sh');
    await send(
      '?path=kept.sh',
      { 'content-type': 'application/octet-stream', 'content-length': '100' },
      'half',
      true,
    );
    expect(await sandbox.files.read('kept.sh')).toBe('the first');
    await expect
      .poll(async () => (await sandbox.files.list('/run/sandpiper/uploads')).length, { timeout: 10_000 })
      .toBe(0);
    await sandbox.files.write('kept.sh', 'the second');
    const { owner, mode } = await sandbox.files.getInfo('kept.sh');
    expect([await sandbox.files.read('kept.sh'), owner, mode]).toEqual(['the second', 'user', 0o750]);
    await sandbox.files.write('/dev/shm/elsewhere', 'on another mount');
    expect(await sandbox.files.read('/dev/shm/elsewhere')).toBe('on another mount');
  });

  test.each<[string, string, Record<string, string>, string, RegExp]>([
    [
      'a form without a file name',
      '',
      { 'content-type': form },
      `${part.replace('; filename="part.txt"', '; filename=""')}\r\n--b--\r\n`,
      /400/,
    ],
    ['a form that ends before its boundary', '', { 'content-type': form }, part, /400/],
    ['a form that names no boundary', '', { 'content-type': 'multipart/form-data' }, part, /400/],
    ['a form that is none', '', { 'content-type': form }, 'nonsense', /400/],
    ['a body that is no gzip', '?path=zipped', { 'content-encoding': 'gzip' }, 'nonsense', /400/],
    ['a form that is no gzip', '', { 'content-type': form, 'content-encoding': 'gzip' }, 'nonsense', /400/],
    ['no path', '', { 'content-type': 'application/octet-stream' }, 'content', /400/],
    [
      'a path that is a directory',
      '?path=/tmp',
      { 'content-type': 'application/octet-stream' },
      'content',
      /400/,
    ],
  ])('that is %s is refused', async (_what, query, more, body, status) => {
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    expect(await send(query, { ...more, ...length }, body, false)).toMatch(status);
  });

  test.each<[string, string, Record<string, string>, string]>([
    ['a form', '', { 'content-type': form }, part],
    ['a body', '?path=part.txt', { 'content-type': 'application/octet-stream' }, 'content'],
    ['a gzip body', '?path=part.txt', { 'content-encoding': 'gzip' }, '\u001f'],
  ])('that is cut (%s) leaves no file, and the host goes on', async (_what, query, more, body) => {
    await send(query, { ...more, 'content-length': '100000' }, body, true);
    await expect.poll(() => sandbox.files.exists('part.txt'), { timeout: 10_000 }).toBe(false);
    expect(await sandbox.isRunning()).toBe(true);
  });

  test('and what else is nonsense in calls about files is refused as such', async () => {
    await sandbox.files.makeDir('outer');
    await expect(sandbox.files.rename('outer', 'outer/inner/deeper')).rejects.toThrow(/moved into itself/);
    await expect(fixture.create('base', { envs: { 'A=B': 'c' } })).rejects.toThrow(/environment variable/);
    const { apiUrl, apiKey } = fixture.connection;
    const listed = await fetch(`${apiUrl}/v2/sandboxes?state=bogus`, { headers: { 'x-api-key': apiKey } });
    expect(listed.status).toBe(400);
  });
});
