import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type CommandHandle, Sandbox } from 'e2b';
import { afterEach, expect, test } from 'vitest';
import { type HostProcess, useHostProcesses } from './host-process.js';

const hosts = useHostProcesses();
const descriptors = 256;
/** Where `ulimit` is a limit. */
const skipped = process.platform === 'win32';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Connections that say this much and no more. */
async function connectMany(host: HostProcess, count: number, said = ''): Promise<Socket[]> {
  const opened = Array.from({ length: count }, () => connect(host.port, '127.0.0.1'));
  for (const socket of opened) {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
    socket.write(said);
  }
  await Promise.all(
    opened.map((socket) =>
      socket.destroyed ? undefined : Promise.race([once(socket, 'connect'), once(socket, 'close')]),
    ),
  );
  return opened;
}

const request = (host: HostProcess, method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(host.connection.apiUrl + path, {
    method,
    headers: { 'x-api-key': host.connection.apiKey },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

test.skipIf(skipped)(
  'connections that say nothing, or half a head, leave room for those that do',
  async () => {
    const { dataDir } = hosts;
    for (const tls of [undefined, true] as const) {
      const host = await hosts.start({ dataDir, ...(tls && { tls }) }, '', { descriptors });
      const silent = await connectMany(host, 400);
      const half = await connectMany(host, 400, 'GET / HTTP/1.1\r\nhost: a\r\n');
      const open = (): number => [...silent, ...half].filter((one) => !one.destroyed && one.readable).length;
      await expect.poll(open, { timeout: 30_000 }).toBeLessThan(100);
      expect(host.child.exitCode).toBe(null);
      // Over TLS the certificate is none that this process trusts; what is shown is shown without.
      if (!tls) {
        const sandbox = await Sandbox.create({ ...host.connection, timeoutMs: 600_000 });
        expect((await sandbox.commands.run('echo lives')).stdout).toBe('lives\n');
        await sandbox.files.write('file', 'x'.repeat(100_000));
        expect(await sandbox.kill()).toBe(true);
        const audit = await request(host, 'GET', '/x/audit?limit=1000');
        expect(await audit.text()).toContain(sandbox.sandboxId);
      }
      // The whole head has to come in time, its first byte too.
      await expect.poll(open, { timeout: 60_000, interval: 1_000 }).toBe(0);
      await host.kill();
    }
  },
  180_000,
);

test.skipIf(skipped)(
  'what cannot be started for want of descriptors is a 503, and sandboxes can be ended',
  async () => {
    const host = await hosts.start({ dataDir: hosts.dataDir }, '', { descriptors });
    const sandbox = await Sandbox.create({ ...host.connection, timeoutMs: 600_000 });
    const running: CommandHandle[] = [];
    let refusal: unknown;
    for (let n = 0; n < descriptors && !refusal; n++) {
      await sandbox.commands.run('exec sleep 600', { background: true, timeoutMs: 0 }).then(
        (command) => running.push(command),
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(String(refusal)).toContain('too few file descriptors');
    expect(running.length).toBeGreaterThan(5);
    const created = await request(host, 'POST', '/v2/sandboxes', { templateID: 'base' });
    expect([created.status, created.headers.get('retry-after')]).toEqual([503, '1']);
    // What is under way goes on, and what ends makes room.
    expect(await sandbox.files.write('file', 'content')).toMatchObject({ name: 'file' });
    expect(await sandbox.kill()).toBe(true);
    const again = await request(host, 'POST', '/v2/sandboxes', { templateID: 'base' });
    expect(again.status).toBe(201);
    const { sandboxID } = (await again.json()) as { sandboxID: string };
    expect((await request(host, 'DELETE', `/sandboxes/${sandboxID}`)).status).toBe(204);
    expect(host.child.exitCode).toBe(null);
  },
  180_000,
);

test.skipIf(skipped)(
  'a spawn that fails outright is a 503, and the host lives',
  async () => {
    // As the system does when it has no room for another process, which a test cannot bring about for one host alone.
    const failing = `
      const { ChildProcess } = require('node:child_process');
      const spawn = ChildProcess.prototype.spawn;
      let codes = [];
      process.on('SIGUSR2', () => { codes = ['EMFILE', 'EAGAIN', 'ENOMEM']; });
      ChildProcess.prototype.spawn = function (options) {
        const code = codes.length > 0 ? codes[0] : undefined;
        if (code === undefined) return spawn.call(this, options);
        const number = -require('node:os').constants.errno[code];
        const { spawn: real } = this._handle;
        this._handle.spawn = () => number;
        return spawn.call(this, options);
      };
      process.on('SIGWINCH', () => { codes.shift(); });`;
    const host = await hosts.start({ dataDir: hosts.dataDir }, failing);
    const first = await request(host, 'POST', '/v2/sandboxes', { templateID: 'base' });
    expect(first.status).toBe(201);
    host.child.kill('SIGUSR2');
    for (let kind = 0; kind < 3; kind++) {
      // Those that wait, started before, are used up.
      let refused: Response | undefined;
      for (let n = 0; n < 4 && refused?.status !== 503; n++)
        refused = await request(host, 'POST', '/v2/sandboxes', { templateID: 'base' });
      expect([kind, refused?.status, refused?.headers.get('retry-after')]).toEqual([kind, 503, '1']);
      host.child.kill('SIGWINCH');
    }
    // Meanwhile the packet filter could not be looked at either, and nothing is started before it is.
    await expect
      .poll(async () => (await request(host, 'POST', '/v2/sandboxes', { templateID: 'base' })).status, {
        timeout: 60_000,
        interval: 500,
      })
      .toBe(201);
    expect(host.child.exitCode).toBe(null);
  },
  180_000,
);
