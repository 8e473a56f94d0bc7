import { execFile } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost, type SandboxHostOptions } from '../src/index.js';
import { takeCertificate } from '../src/server/certificate.js';
import { leadHere } from './name-service.js';

let dataDir: string;
let host: SandboxHost | undefined;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tls-test-'));
});
afterEach(() => host?.close());
afterAll(() => rm(dataDir, { recursive: true, force: true }));

async function start(options: SandboxHostOptions): Promise<SandboxHost> {
  host = await createSandboxHost({ dataDir, isolation: 'none', ...options });
  return host;
}

/** The status of a request to this machine under a name, trusting one certificate only. */
function ask(running: SandboxHost, name: string, ca: string | undefined): Promise<number> {
  const { port } = new URL(running.apiUrl);
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, servername: name, headers: { host: `${name}:${port}` }, ca, agent: false },
      (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.once('error', reject);
    sent.end();
  });
}

test('a server in a sandbox is reached under the name the SDK gives it', async () => {
  const running = await start({ tls: true, domain: 'sandpiper.test' });
  const forget = leadHere('sandpiper.test', running.certificate ?? '');
  try {
    const { apiKey, domain = '' } = running;
    const sandbox = await Sandbox.create({ apiKey, domain });
    await sandbox.commands.run(
      `node -e "require('http').createServer((q, s) => s.end(q.headers.host)).listen(3000)"`,
      { background: true, timeoutMs: 0 },
    );
    expect(sandbox.getHost(3000)).toBe(`3000-${sandbox.sandboxId}.${domain}`);
    const text = async (): Promise<string> => (await fetch(`https://${sandbox.getHost(3000)}`)).text();
    await expect.poll(text, { timeout: 15_000 }).toBe(sandbox.getHost(3000));
    expect((await fetch(`https://8080-nobody.${domain}`)).status).toBe(502);
  } finally {
    forget();
  }
});

test('a certificate that was made holds for its domain, any port of any sandbox, and loopback, and for callers that trust it only', async () => {
  const running = await start({ tls: true, domain: 'sandpiper.test' });
  const { certificate } = running;
  expect(await ask(running, 'api.sandpiper.test', certificate)).toBe(401);
  expect(await ask(running, '8080-abc.sandpiper.test', certificate)).toBe(502);
  expect(await ask(running, 'localhost', certificate)).toBe(401);
  await expect(ask(running, 'sandpiper.example', certificate)).rejects.toThrow(/altnames/);
  await expect(ask(running, 'api.sandpiper.test', undefined)).rejects.toThrow(/self.signed/);
});

test('a program trusts it by NODE_EXTRA_CA_CERTS alone', async () => {
  const running = await start({ tls: true });
  const file = join(dataDir, 'trusted.pem');
  await writeFile(file, running.certificate ?? '');
  const script = `fetch('${running.apiUrl}').then((r) => console.log(r.status))`;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: file };
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { env });
  expect(stdout.trim()).toBe('401');
});

test('it is kept for the next start, out of reach of others, and made again for other names', async () => {
  const first = (await start({ tls: true, domain: 'sandpiper.test' })).certificate;
  await host?.close();
  expect((await start({ tls: true, domain: 'sandpiper.test' })).certificate).toBe(first);
  await host?.close();
  expect((await start({ tls: true, domain: 'other.test' })).certificate).not.toBe(first);
  expect((await stat(join(dataDir, 'tls.pem'))).mode & 0o077).toBe(0);
});

test('a certificate that is given is served, and one without its key is refused at once', async () => {
  const given = await takeCertificate(dataDir, ['given.test', '*.given.test']);
  const running = await start({ tls: given, domain: 'given.test:8443' });
  expect(running).toMatchObject({ apiUrl: 'https://api.given.test:8443', certificate: undefined });
  await host?.close();
  const { key } = await takeCertificate(dataDir, ['another.test']);
  await expect(start({ tls: { key, cert: given.cert } })).rejects.toThrow(/does not belong/);
  const served = new X509Certificate(given.cert).publicKey.export({ type: 'spki', format: 'pem' });
  expect(served).toBe(createPublicKey(given.key).export({ type: 'spki', format: 'pem' }));
  expect(await readFile(join(dataDir, 'tls.pem'), 'utf8')).toContain('PRIVATE KEY');
});
