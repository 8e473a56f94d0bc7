import { generate } from 'selfsigned';
import { expect, test } from 'vitest';
import { describeHosts, type HostFixture } from './with-host.js';

/** The part of a browser's many claims by which it is told from a program. */
const browser = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Safari/537.36' };

/** Asks a port of a sandbox, by its own name where it has one. */
function ask(
  { host }: HostFixture,
  sandbox: { sandboxId: string; getHost(port: number): string },
  port: number,
  init: RequestInit = {},
  path = '/',
): Promise<Response> {
  if (host.domain) return fetch(`https://${sandbox.getHost(port)}${path}`, init);
  const target = { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': String(port) };
  return fetch(`${host.sandboxUrl}${path}`, { ...init, headers: { ...target, ...init.headers } });
}

// What E2B's own tests expect of its cloud, where ours did not ask for it yet.
describeHosts(
  "E2B's behaviours",
  (fixture) => {
    test('a closed port is a page for browsers and JSON for programs', async () => {
      const sandbox = await fixture.create();
      const page = await ask(fixture, sandbox, 3000, { headers: browser });
      expect([page.status, page.headers.get('content-type')]).toEqual([502, 'text/html; charset=utf-8']);
      expect(await page.text()).toContain('<title>Closed Port Error</title>');
      const answer = await ask(fixture, sandbox, 3000);
      expect(await answer.json()).toMatchObject({ code: 502, sandboxId: sandbox.sandboxId, port: 3000 });
      await sandbox.kill();
      const gone = await ask(fixture, sandbox, 3000, { headers: browser });
      expect(await gone.text()).toContain('<title>Sandbox Not Found</title>');
      // The SDK in a browser reads JSON.
      const health = await ask(fixture, sandbox, 49_983, { headers: browser }, '/health');
      expect(await health.json()).toMatchObject({ code: 502, message: 'The sandbox was not found' });
    });

    test('pages of any origin may call the control plane and the API of a sandbox, whose key or token they know', async () => {
      const { host, connection } = fixture;
      const sandbox = await fixture.create();
      const origin = 'http://localhost:5173';
      const question = (names: string): RequestInit => ({
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': names,
        },
      });
      const answers = [
        await fetch(`${host.apiUrl}/sandboxes`, question('x-api-key')),
        await ask(fixture, sandbox, 49_983, question('x-access-token'), '/process.Process/Start'),
        // Where the sandbox is named by headers a browser asks without them.
        await fetch(`${host.sandboxUrl}/files`, question('e2b-sandbox-id')),
      ];
      for (const { status, headers } of answers) {
        expect([status, headers.get('access-control-allow-origin')]).toEqual([204, '*']);
      }
      expect(answers[0]?.headers.get('access-control-allow-headers')).toBe('x-api-key');
      const headers = { origin, 'X-API-KEY': connection.apiKey };
      for (const [response, status] of [
        [await fetch(`${host.apiUrl}/v2/sandboxes`, { headers }), 200],
        [await fetch(`${host.apiUrl}/v2/sandboxes`, { headers: { origin } }), 401],
        [await ask(fixture, sandbox, 49_983, { headers: { origin } }, '/files?path=x'), 401],
      ] as const) {
        expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([status, '*']);
      }
      // Of a port its own server decides.
      expect(
        (await ask(fixture, sandbox, 3000, question('x'))).headers.has('access-control-allow-origin'),
      ).toBe(false);
      await sandbox.kill();
    });

    test('ports that serve HTTPS are asked so, whatever their certificate', async () => {
      const sandbox = await fixture.create('base', { network: { httpsPorts: [8443, 8444] } });
      const { private: key, cert } = await generate([{ name: 'commonName', value: 'nobody' }]);
      await sandbox.files.write('key.pem', key);
      await sandbox.files.write('cert.pem', cert);
      const script = `
        const { readFileSync } = require('fs');
        const options = { key: readFileSync('key.pem'), cert: readFileSync('cert.pem') };
        require('https').createServer(options, (q, s) => s.end('encrypted ' + q.url)).listen(8443);
        require('http').createServer((q, s) => s.end('plain')).listen(8444);`;
      await sandbox.files.write('server.js', script);
      await sandbox.commands.run('node server.js', { background: true, timeoutMs: 0 });
      const text = async (): Promise<string> => (await ask(fixture, sandbox, 8443, {}, '/path')).text();
      await expect.poll(text, { timeout: 15_000 }).toBe('encrypted /path');
      const plain = await ask(fixture, sandbox, 8444);
      expect([plain.status, await plain.text()]).toEqual([502, expect.stringContaining('httpsPorts')]);
      expect((await sandbox.getInfo()).network?.httpsPorts).toEqual([8443, 8444]);
      await expect(fixture.create('base', { network: { httpsPorts: [49_983] } })).rejects.toThrow(/own API/);
      await sandbox.kill();
    });

    test('who follows a command hears that its sandbox was killed', async () => {
      const sandbox = await fixture.create();
      const command = await sandbox.commands.run('sleep 60', { background: true, timeoutMs: 0 });
      const ended = expect(command.wait()).rejects.toThrow(/sandbox was killed or reached its end of life/);
      await sandbox.kill();
      await ended;
    });

    test('a signed URL that has expired says so, and a form holds a file by its name alone', async () => {
      const sandbox = await fixture.create('base', { secure: true });
      const form = new FormData();
      form.append('file', 'content without a file name');
      const to = await sandbox.uploadUrl('written', { useSignatureExpiration: 60 });
      const written = await fetch(to, { method: 'POST', body: form });
      expect(await written.json()).toEqual([{ name: 'written', path: '/home/user/written', type: 'file' }]);
      expect(await sandbox.files.read('written')).toBe('content without a file name');
      const expired = await fetch(await sandbox.downloadUrl('written', { useSignatureExpiration: -60 }));
      expect(expired.status).toBe(401);
      expect(await expired.json()).toEqual({ code: 401, message: 'signature is already expired' });
      await sandbox.kill();
    });

    test('a home has the files that shells read, and a new start of its sandbox is told from the one before', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.write('.bashrc', 'export SEEN=interactively\n');
      let seen = '';
      const terminal = await sandbox.pty.create({
        cols: 80,
        rows: 24,
        onData: (data) => {
          seen += new TextDecoder().decode(data);
        },
      });
      await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode('echo "[$SEEN]"; exit\n'));
      await terminal.wait();
      expect(seen).toContain('[interactively]');
      const { Template } = fixture.sdk;
      for (const step of [
        Template().fromTemplate('base').makeDir('.bashrc'),
        Template().fromTemplate('base').setWorkdir('/root/.bashrc'),
      ]) {
        await expect(Template.build(step, 'on-a-file', fixture.connection)).rejects.toThrow(
          /exist|is a file/,
        );
      }
      // Without namespaces there is one machine, and nothing else to be told.
      if (fixture.isolation === 'namespaces') {
        const read = async (path: string): Promise<string> =>
          (await sandbox.commands.run(`cat ${path}`)).stdout;
        const bootId = (): Promise<string> => read('/proc/sys/kernel/random/boot_id');
        const first = await bootId();
        expect(await read('/run/e2b/.E2B_SANDBOX /run/e2b/.E2B_SANDBOX_ID')).toBe(`true${sandbox.sandboxId}`);
        await sandbox.pause();
        await sandbox.connect();
        expect(await bootId()).toBe(first);
        await sandbox.pause({ keepMemory: false });
        await sandbox.connect();
        expect(await bootId()).not.toBe(first);
        expect(await sandbox.files.read('/proc/sys/kernel/random/boot_id')).toBe(await bootId());
        await sandbox.commands.run('python --version');
      }
      await sandbox.kill();
    });

    test('a build fails when its start command does, and when a user is none', async () => {
      const { Template, waitForTimeout } = fixture.sdk;
      const failing = Template().fromTemplate('base').setStartCmd('exit 3', waitForTimeout(30_000));
      const begun = performance.now();
      await expect(Template.build(failing, 'failing-start', fixture.connection)).rejects.toThrow(
        /exit code 3/,
      );
      expect(performance.now() - begun).toBeLessThan(20_000);
      const done = Template().fromTemplate('base').setStartCmd('echo done', waitForTimeout(1_000));
      await Template.build(done, 'start-that-ends', fixture.connection);
      const unknown = Template().fromTemplate('base').runCmd('whoami', { user: 'nobody-here' });
      await expect(Template.build(unknown, 'unknown-user', fixture.connection)).rejects.toThrow(
        "failed to run command 'whoami': command failed: unauthenticated: invalid username: 'nobody-here'",
      );
    });
  },
  { withTls: true },
);
