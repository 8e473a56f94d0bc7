import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Sandbox as NewestSandbox } from 'e2b';
import { expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { describeHosts } from './with-host.js';

describeHosts(
  'the E2B SDK',
  (fixture) => {
    const { Sandbox, CommandExitError } = fixture.sdk;
    test('creates a sandbox, finds it in the list, reads about it and kills it', async () => {
      const sandbox = await fixture.create('base', { metadata: { purpose: 'a b&c=d' }, timeoutMs: 60_000 });
      const { connection } = fixture;
      const page = await Sandbox.list({
        ...connection,
        query: { metadata: { purpose: 'a b&c=d' } },
      }).nextItems();
      expect(page.map((one) => one.sandboxId)).toEqual([sandbox.sandboxId]);
      const info = await sandbox.getInfo();
      expect(info).toMatchObject({ state: 'running', metadata: { purpose: 'a b&c=d' }, name: 'base' });
      expect(info.endAt.getTime() - info.startedAt.getTime()).toBeGreaterThanOrEqual(59_000);
      expect(await sandbox.isRunning()).toBe(true);
      expect(await sandbox.kill()).toBe(true);
      expect(await Sandbox.kill(sandbox.sandboxId, connection)).toBe(false);
      expect(await sandbox.isRunning()).toBe(false);
    });

    test('runs commands as user in /home/user, with both outputs and the exit code', async () => {
      const sandbox = await fixture.create();
      const place = await sandbox.commands.run('whoami; pwd');
      if (fixture.isolation === 'namespaces') expect(place.stdout).toBe('user\n/home/user\n');
      else expect(place.stdout).toMatch(/\/home\/user\n$/);
      const failing = sandbox.commands.run('echo out; echo err >&2; exit 3', { envs: { A: "it's" } });
      await expect(failing).rejects.toThrow(CommandExitError);
      await expect(failing).rejects.toMatchObject({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
      await expect(sandbox.commands.run('true', { cwd: '/nowhere' })).rejects.toThrow(
        /\/nowhere does not exist/,
      );
      await expect(sandbox.commands.run('true', { user: 'stranger' })).rejects.toThrow(
        /invalid username: 'stranger'/,
      );
      expect((await sandbox.commands.run('pwd', { cwd: '/tmp' })).stdout).toMatch(/tmp\n$/);
      const env = await sandbox.commands.run('echo "$A $E2B_SANDBOX_ID"', { envs: { A: "it's $HOME" } });
      expect(env.stdout).toBe(`it's $HOME ${sandbox.sandboxId}\n`);
      await sandbox.kill();
    });

    test('streams the output of a background command, lists it, writes to it and kills it', async () => {
      const sandbox = await fixture.create();
      const seen: string[] = [];
      const command = await sandbox.commands.run('while read line; do echo "got $line"; done; sleep 1000', {
        background: true,
        stdin: true,
        onStdout: (data) => void seen.push(data),
      });
      expect((await sandbox.commands.list()).map((one) => one.pid)).toContain(command.pid);
      await command.sendStdin('one\n');
      await expect.poll(() => seen.join(''), { timeout: 10_000 }).toBe('got one\n');
      await command.closeStdin();
      expect(await command.kill()).toBe(true);
      await expect(command.wait()).rejects.toThrow(CommandExitError);
      expect(await sandbox.commands.kill(command.pid)).toBe(false);
      await sandbox.kill();
    });

    test('keeps the output of a command that was left, for a caller that joins it again, also after its end', async () => {
      const sandbox = await fixture.create();
      const left = await sandbox.commands.run('echo first; read line; echo "then $line"; exit 4', {
        background: true,
        stdin: true,
        timeoutMs: 0,
      });
      await expect.poll(() => left.stdout, { timeout: 10_000 }).toBe('first\n');
      await left.disconnect();
      await sandbox.commands.sendStdin(left.pid, 'this\n');
      await expect.poll(async () => (await sandbox.commands.list()).length, { timeout: 10_000 }).toBe(0);
      const joined = await sandbox.commands.connect(left.pid);
      await expect(joined.wait()).rejects.toMatchObject({ exitCode: 4, stdout: 'then this\n' });
      await expect(sandbox.commands.connect(999_999)).rejects.toThrow(/no process with pid 999999/);
      await sandbox.kill();
    });

    test('never loses or mixes up output, however much there is', async () => {
      const sandbox = await fixture.create();
      const { stdout, stderr } = await sandbox.commands.run('seq 1 200000; seq 1 20000 >&2', {
        timeoutMs: 0,
      });
      const numbers = (count: number) =>
        `${Array.from({ length: count }, (_, index) => index + 1).join('\n')}\n`;
      expect(stdout).toBe(numbers(200_000));
      expect(stderr).toBe(numbers(20_000));
      await sandbox.kill();
    });

    test('ends a command at its timeout, with what it has started', async () => {
      const sandbox = await fixture.create();
      await expect(sandbox.commands.run('sleep 987 & sleep 987', { timeoutMs: 500 })).rejects.toThrow(
        /timeoutMs/,
      );
      await expect.poll(async () => (await sandbox.commands.list()).length, { timeout: 10_000 }).toBe(0);
      await sandbox.kill();
    });

    test('writes, reads, lists, moves and removes files', async () => {
      const sandbox = await fixture.create();
      const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
      const written = await sandbox.files.write('data/deep/file.bin', bytes.buffer);
      expect(written.path).toBe('/home/user/data/deep/file.bin');
      const read = await sandbox.files.read('data/deep/file.bin', { format: 'bytes' });
      expect(Buffer.compare(read, bytes)).toBe(0);
      await sandbox.files.write([
        { path: 'a.txt', data: 'A' },
        { path: '/home/user/b.txt', data: 'B' },
      ]);
      expect((await sandbox.commands.run('cat a.txt b.txt; stat -c %U data/deep/file.bin')).stdout).toMatch(
        /^AB/,
      );
      expect(await sandbox.files.makeDir('made')).toBe(true);
      expect(await sandbox.files.makeDir('made')).toBe(false);
      await sandbox.files.rename('a.txt', 'made/c.txt');
      expect(await sandbox.files.read('made/c.txt')).toBe('A');
      const names = (await sandbox.files.list('/home/user', { depth: 3 })).map((entry) => entry.path);
      expect(names).toEqual(
        expect.arrayContaining(['/home/user/data/deep/file.bin', '/home/user/made/c.txt']),
      );
      const info = await sandbox.files.getInfo('made/c.txt');
      expect(info).toMatchObject({
        name: 'c.txt',
        type: 'file',
        size: 1,
        permissions: '-rw-r--r--',
        owner: 'user',
      });
      await sandbox.files.remove('made');
      expect(await sandbox.files.exists('made/c.txt')).toBe(false);
      await expect(sandbox.files.read('made/c.txt')).rejects.toThrow(/does not exist/);
      await sandbox.kill();
    });

    test('opens a file to a caller with a signed URL, for what and as long as it was signed for', async () => {
      const sandbox = await fixture.create();
      const uploadUrl = await sandbox.uploadUrl('signed.txt', { useSignatureExpiration: 60 });
      const form = new FormData();
      form.append('file', new Blob(['signed content']), 'whatever');
      expect((await fetch(uploadUrl, { method: 'POST', body: form })).status).toBe(200);
      const downloadUrl = await sandbox.downloadUrl('signed.txt');
      expect(await (await fetch(downloadUrl)).text()).toBe('signed content');
      const sandboxHeaders = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '49983' };
      for (const url of [
        downloadUrl.replace('signed.txt', 'other.txt'),
        uploadUrl,
        await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: -5 }),
        `${fixture.host.sandboxUrl}/files?path=signed.txt`,
      ]) {
        expect((await fetch(url, { headers: sandboxHeaders })).status, url).toBe(401);
      }
      await sandbox.kill();
    });

    test('keeps what is said about a file with it, and joins files', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.write('note.txt', 'a', { metadata: { author: 'me' } });
      await sandbox.files.rename('note.txt', 'moved.txt');
      expect((await sandbox.files.getInfo('moved.txt')).metadata).toEqual({ author: 'me' });
      await sandbox.files.write('plain.txt', 'b');
      expect((await sandbox.files.getInfo('plain.txt')).metadata).toBeUndefined();
      const { envdAccessToken } = sandbox as unknown as { envdAccessToken: string };
      const response = await fetch(`${fixture.host.sandboxUrl}/files/compose`, {
        method: 'POST',
        headers: {
          'e2b-sandbox-id': sandbox.sandboxId,
          'e2b-sandbox-port': '49983',
          'x-access-token': envdAccessToken,
        },
        body: JSON.stringify({ source_paths: ['moved.txt', 'plain.txt'], destination: 'whole.txt' }),
      });
      expect(await response.json()).toEqual({
        name: 'whole.txt',
        type: 'file',
        path: '/home/user/whole.txt',
      });
      expect(await sandbox.files.read('whole.txt')).toBe('ab');
      expect(await sandbox.files.exists('plain.txt')).toBe(false);
      await sandbox.kill();
    });

    test('streams a large upload and download, plain and compressed', async () => {
      const sandbox = await fixture.create();
      const chunk = new Uint8Array(1024 * 1024).fill(7);
      let sent = 0;
      const source = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent++ === 20) controller.close();
          else controller.enqueue(chunk);
        },
      });
      await sandbox.files.write('big', source);
      expect((await sandbox.files.getInfo('big')).size).toBe(20 * 1024 * 1024);
      await sandbox.files.write('small.txt', 'z'.repeat(5_000), { gzip: true });
      expect(await sandbox.files.read('small.txt', { gzip: true })).toBe('z'.repeat(5_000));
      let received = 0;
      for await (const part of await sandbox.files.read('big', { format: 'stream' })) received += part.length;
      expect(received).toBe(20 * 1024 * 1024);
      await sandbox.kill();
    });

    test('gives two sandboxes a port 8080 each, reached through the gateway', async () => {
      const sandboxes = await Promise.all([fixture.create(), fixture.create()]);
      const server = `require('http').createServer((q, s) => { let n = 0; q.on('data', (d) => { n += d.length }).on('end', () => s.end(process.env.E2B_SANDBOX_ID + ' ' + q.url + ' ' + n)) }).listen(8080)`;
      for (const sandbox of sandboxes) {
        await sandbox.files.write('server.js', server);
        await sandbox.commands.run('node server.js', { background: true, timeoutMs: 0 });
      }
      for (const sandbox of sandboxes) {
        const ask = async (): Promise<string> => {
          const response = await fetch(`${fixture.host.sandboxUrl}/path?q=1`, {
            method: 'POST',
            body: 'four',
            headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '8080' },
          });
          return response.text();
        };
        await expect.poll(ask, { timeout: 30_000 }).toBe(`${sandbox.sandboxId} /path?q=1 4`);
        const inside = await sandbox.commands.run(
          `node -e "fetch('http://localhost:8080/in').then((r) => r.text()).then(console.log)"`,
        );
        expect(inside.stdout).toBe(`${sandbox.sandboxId} /in 0\n`);
      }
      await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
    });

    test('gives two Python servers a port 8080 each as well', async ({ skip }) => {
      const sandboxes = await Promise.all([fixture.create(), fixture.create()]);
      const has = await sandboxes[0].commands.run('command -v python3').catch(() => undefined);
      skip(!has, 'sandboxes of this machine have no Python');
      const servers = {
        // One that listens for both families, and one whose sockets asyncio makes.
        '8080': 'exec python3 -u -m http.server 8080',
        '8081': `exec python3 -u -c "
import asyncio, os
async def serve(reader, writer):
    await reader.readuntil(b'\\r\\n\\r\\n')
    body = os.environ['E2B_SANDBOX_ID'].encode()
    writer.write(b'HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n' % len(body) + body)
    await writer.drain()
async def main():
    async with await asyncio.start_server(serve, None, 8081) as server:
        await server.serve_forever()
asyncio.run(main())"`,
      };
      for (const sandbox of sandboxes) {
        await sandbox.files.write('index.html', sandbox.sandboxId);
        for (const server of Object.values(servers)) {
          await sandbox.commands.run(server, { background: true, timeoutMs: 0 });
        }
      }
      for (const sandbox of sandboxes) {
        for (const port of Object.keys(servers)) {
          const headers = { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': port };
          const ask = async () => (await fetch(`${fixture.host.sandboxUrl}/`, { headers })).text();
          await expect.poll(ask, { timeout: 15_000 }).toBe(sandbox.sandboxId);
          const inside = await sandbox.commands.run(
            `python3 -c "import urllib.request as r; print(r.urlopen('http://localhost:${port}/').read().decode())"`,
          );
          expect(inside.stdout).toBe(`${sandbox.sandboxId}\n`);
          const taken = `python3 -c "import socket; socket.socket().bind(('', ${port}))" 2>&1 || true`;
          expect((await sandbox.commands.run(taken)).stdout).toContain('Address already in use');
        }
      }
      await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
    });

    test('says which is the trouble: no such sandbox, no such port, no such template, a wrong key', async () => {
      const sandbox = await fixture.create();
      const ask = async (id: string, port: string) => {
        const response = await fetch(fixture.host.sandboxUrl, {
          headers: { 'E2b-Sandbox-Id': id, 'E2b-Sandbox-Port': port },
        });
        return [response.status, await response.json()];
      };
      expect(await ask(sandbox.sandboxId, '4321')).toEqual([
        502,
        expect.objectContaining({
          sandboxId: sandbox.sandboxId,
          message: 'The sandbox is running but port is not open',
        }),
      ]);
      expect(await ask('nosuchsandbox', '8080')).toEqual([
        502,
        expect.objectContaining({ message: 'The sandbox was not found' }),
      ]);
      await expect(fixture.create('no-such-template')).rejects.toThrow(/404.*no-such-template/);
      await expect(Sandbox.create('base', { ...fixture.connection, apiKey: 'wrong' })).rejects.toThrow(
        /key/i,
      );
      await expect(Sandbox.connect('nosuchsandbox', fixture.connection)).rejects.toThrow(/not found/);
      await sandbox.kill();
    });

    test('pauses so that nothing runs, refuses commands meanwhile, and resumes where it was', async () => {
      const sandbox = await fixture.create();
      const seen: string[] = [];
      await sandbox.commands.run('i=0; while true; do i=$((i+1)); [ $((i % 50000)) = 0 ] && echo $i; done', {
        background: true,
        timeoutMs: 0,
        onStdout: (data) => void seen.push(data),
      });
      await expect.poll(() => seen.length, { timeout: 30_000 }).toBeGreaterThan(0);
      expect(await sandbox.pause()).toBe(true);
      expect(await sandbox.pause()).toBe(false);
      expect((await sandbox.getInfo()).state).toBe('paused');
      // What was on its way when it was frozen arrives; then there is silence.
      let whenPaused = 0;
      const grown = async (): Promise<number> => {
        whenPaused = seen.join('').length;
        await new Promise((resolve) => setTimeout(resolve, 700));
        return seen.join('').length - whenPaused;
      };
      await expect.poll(grown, { timeout: 15_000 }).toBe(0);
      await expect(sandbox.commands.run('true')).rejects.toThrow();
      expect(await sandbox.isRunning()).toBe(false);
      const again = await Sandbox.connect(sandbox.sandboxId, fixture.connection);
      expect((await again.commands.run('echo back')).stdout).toBe('back\n');
      await expect.poll(() => seen.join('').length, { timeout: 10_000 }).toBeGreaterThan(whenPaused);
      await sandbox.kill();
    });

    test('lets a sandbox end at its timeout, or pause when that was asked for', async () => {
      const mortal = await fixture.create('base', { timeoutMs: 1_000 });
      const sleeper = await fixture.create('base', { timeoutMs: 1_000, lifecycle: { onTimeout: 'pause' } });
      await expect.poll(() => mortal.isRunning(), { timeout: 15_000 }).toBe(false);
      await expect.poll(async () => (await sleeper.getInfo()).state, { timeout: 15_000 }).toBe('paused');
      await expect(mortal.getInfo()).rejects.toThrow(/not found/);
      await sleeper.connect({ timeoutMs: 60_000 });
      expect((await sleeper.getInfo()).state).toBe('running');
      await sleeper.kill();
    });
  },
  { withOlderSdk: true, withTls: true },
);

test('a closed host leaves no file, and takes no more requests', async () => {
  const before = new Set(readdirSync(tmpdir()));
  const host = await createSandboxHost();
  const { apiUrl, sandboxUrl, apiKey } = host;
  const sandbox = await NewestSandbox.create({ apiUrl, sandboxUrl, apiKey });
  await sandbox.commands.run('sleep 654', { background: true, timeoutMs: 0 });
  // Other hosts of this machine come and go meanwhile.
  const own = (): string[] =>
    readdirSync(tmpdir()).filter(
      (name) => !before.has(name) && name.startsWith('sandpiper-') && name.includes(`-${process.pid}-`),
    );
  expect(own()).toHaveLength(1);
  await Promise.all([host.close(), host.close()]);
  expect(own()).toEqual([]);
  await expect(fetch(apiUrl)).rejects.toThrow();
});
