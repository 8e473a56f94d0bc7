import { setServers } from 'node:dns';
import { existsSync } from 'node:fs';
import { Internet } from '@sandpiper/engine-linux/testing/network-namespaces';
import { networkObstacle, unless } from '@sandpiper/sandbox-engine/testing/machine';
import { ALL_TRAFFIC, CommandExitError, Sandbox } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';

// What sandboxes have of the machine's is /usr.
const obstacle = networkObstacle ?? (existsSync('/usr/bin/python3') ? undefined : 'python3 is not installed');

describe.skipIf(obstacle)(`E2B's rules for the network${unless(obstacle)}`, { timeout: 90_000 }, () => {
  let host: SandboxHost;
  let internet: Internet;
  let connection: { apiUrl: string; sandboxUrl: string; apiKey: string };
  const sandboxes: Sandbox[] = [];

  beforeAll(async () => {
    host = await createSandboxHost({ isolation: 'namespaces' });
    const { apiUrl, sandboxUrl, apiKey } = host;
    connection = { apiUrl, sandboxUrl, apiKey };
    internet = new Internet();
    const { addresses, resident } = internet;
    await resident.tell('http', { host: '0.0.0.0', port: 80, says: 'web' });
    await resident.tell('count', { host: '0.0.0.0', port: 81 });
    await resident.tell('dns', { host: addresses.names, names: { 'allowed.test': addresses.open } });
    setServers([addresses.names]);
  }, 90_000);
  afterAll(async () => {
    await host?.close();
    await internet?.end();
  }, 90_000);

  async function create(options: Parameters<typeof Sandbox.create>[1] = {}): Promise<Sandbox> {
    const sandbox = await Sandbox.create('base', { ...connection, ...options });
    sandboxes.push(sandbox);
    return sandbox;
  }
  /** What a program that knows nothing of sandboxes gets from a URL. */
  async function fetchIn(sandbox: Sandbox, url: string): Promise<string> {
    const script = `import urllib.request as u; print(u.urlopen("${url}", timeout=10).read().decode())`;
    const result = await sandbox.commands.run(`python3 -c '${script}'`).catch((error: unknown) => error);
    return result instanceof CommandExitError ? 'refused' : (result as { stdout: string }).stdout.trim();
  }

  test('are enforced, and said to be', () => {
    expect(host.capabilities.network).toMatchObject({ level: 'enforced' });
  });

  test('close the way out, open it again, and let names through alone', async () => {
    const sandbox = await create({ allowInternetAccess: false });
    const url = `http://${internet.addresses.open}/`;
    expect(await fetchIn(sandbox, url)).toBe('refused');
    await sandbox.updateNetwork({ allowInternetAccess: true });
    expect(await fetchIn(sandbox, url)).toMatch(/^web/);
    await sandbox.updateNetwork({ allowOut: ['allowed.test'], denyOut: [ALL_TRAFFIC] });
    expect(await fetchIn(sandbox, url)).toBe('refused');
    expect(await fetchIn(sandbox, 'http://allowed.test/here')).toBe('web allowed.test /here');
    expect(await fetchIn(sandbox, 'http://else.test/')).toBe('refused');
    const logs = await fetch(`${host.apiUrl}/v2/sandboxes/${sandbox.sandboxId}/logs`, {
      headers: { 'x-api-key': host.apiKey },
    });
    expect(await logs.text()).toContain('else.test:80');
  });

  test('frame what goes out through the proxy by what is sent', async () => {
    const sandbox = await create({ network: { allowOut: ['allowed.test'], denyOut: [ALL_TRAFFIC] } });
    const script = `
import os, socket, sys, urllib.parse
proxy = urllib.parse.urlparse(os.environ['http_proxy'])
link = socket.create_connection((proxy.hostname, proxy.port), 20)
link.sendall(sys.stdin.buffer.read())
link.settimeout(20)
said = b''
while True:
    piece = link.recv(65536)
    if not piece: break
    said += piece
print(said.decode('latin1'))
`;
    await sandbox.files.write('ask.py', script);
    const ask = async (line: string, headers: string[], body: string): Promise<string> => {
      const lines = [`${line} HTTP/1.1`, 'host: allowed.test', ...headers, 'connection: close'];
      await sandbox.files.write('request', `${lines.join('\r\n')}\r\n\r\n${body}`);
      return (await sandbox.commands.run('python3 ask.py < request')).stdout;
    };
    const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n';
    const chunks = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
    const length = `content-length: ${smuggled.length}`;
    const url = 'http://allowed.test:81';
    await ask(`GET ${url}/chunks`, ['transfer-encoding: chunked'], chunks);
    await ask(`DELETE ${url}/chunks`, ['transfer-encoding: chunked'], chunks);
    await ask(
      `POST ${url}/length`,
      [length, 'connection: content-length, x-hop, authorization', 'x-hop: own', 'authorization: own'],
      smuggled,
    );
    const refused = await ask(`POST ${url}/coding`, ['transfer-encoding: gzip, chunked'], chunks);
    expect(refused).toMatch(/^HTTP\/1.1 501 /);
    const said = await ask(`GET ${url}/seen`, [], '');
    expect(said).toMatch(/^HTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 200 OK/);
    const seen = JSON.parse(said.slice(said.indexOf('['), said.lastIndexOf(']') + 1)) as {
      method: string;
      url: string;
      headers: Record<string, string>;
      body: string;
    }[];
    expect(seen.map(({ method, url: path, body }) => [method, path, body])).toEqual([
      ['GET', '/chunks', smuggled],
      ['DELETE', '/chunks', smuggled],
      ['POST', '/length', smuggled],
    ]);
    expect(seen[2]?.headers).toMatchObject({ authorization: 'own', host: 'allowed.test:81' });
    expect(seen[2]?.headers).not.toHaveProperty('x-hop');
  });

  test('refuse what cannot be meant, and then make no sandbox', async () => {
    await expect(create({ network: { denyOut: ['allowed.test'] } })).rejects.toThrow(
      /names can only be allowed/,
    );
    expect((await Sandbox.list(connection).nextItems()).length).toBe(sandboxes.length);
  });

  test('leave each sandbox its own ports, whatever listens there, also on localhost only', async () => {
    const [one, other] = await Promise.all([create({ allowInternetAccess: false }), create()]);
    for (const sandbox of [one, other]) {
      await sandbox.files.write('index.html', `from ${sandbox.sandboxId}`);
      await sandbox.commands.run('python3 -m http.server 8000 --bind 127.0.0.1', {
        background: true,
        timeoutMs: 0,
      });
    }
    for (const { sandboxId } of [one, other]) {
      const headers = { 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '8000' };
      await expect
        .poll(async () => (await fetch(connection.sandboxUrl, { headers })).text(), { timeout: 20_000 })
        .toBe(`from ${sandboxId}`);
    }
  });

  test('cannot be undone from inside, not even by root', async () => {
    const sandbox = await create({ allowInternetAccess: false });
    for (const attempt of [
      'ip address add 198.18.77.77/32 dev eth0',
      'ip route add default dev lo',
      'nft flush ruleset',
      'echo 1 > /proc/sys/net/ipv4/ip_forward',
      `python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'`,
      `python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'`,
    ]) {
      const result = await sandbox.commands.run(attempt, { user: 'root' }).catch((error: unknown) => error);
      expect(result, attempt).toBeInstanceOf(CommandExitError);
    }
    expect(await fetchIn(sandbox, `http://${internet.addresses.open}/`)).toBe('refused');
  });
});
