import { canIsolate } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b-oldest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { leadHere } from './name-service.js';

/** The last SDK of version 1: it knows no URL but a domain's, and the paths of before. */
let host: SandboxHost;
let forgetNames: () => void;
let connection: { domain: string; apiKey: string };
beforeAll(async () => {
  host = await createSandboxHost({
    tls: true,
    domain: 'sandpiper.test',
    isolation: canIsolate ? 'namespaces' : 'none',
  });
  forgetNames = leadHere('sandpiper.test', host.certificate ?? '');
  connection = { domain: host.domain ?? '', apiKey: host.apiKey };
}, 60_000);
afterAll(async () => {
  await host?.close();
  forgetNames?.();
});

test('E2B 1.13 creates, finds, lists and kills sandboxes', async () => {
  const sandbox = await Sandbox.create('base', {
    ...connection,
    metadata: { user: 'ann' },
    timeoutMs: 60_000,
  });
  expect(await sandbox.isRunning()).toBe(true);
  expect((await sandbox.getInfo()).metadata).toEqual({ user: 'ann' });
  const listed = await Sandbox.list({ ...connection, query: { metadata: { user: 'ann' } } });
  expect(listed.map(({ sandboxId }) => sandboxId)).toEqual([sandbox.sandboxId]);
  await sandbox.setTimeout(120_000);
  const again = await Sandbox.connect(sandbox.sandboxId, connection);
  expect((await again.commands.run('echo again')).stdout).toBe('again\n');
  await sandbox.kill();
  expect(await Sandbox.kill(sandbox.sandboxId, connection)).toBe(false);
});

test('E2B 1.13 runs commands, writes and watches files, and reaches ports', async () => {
  const sandbox = await Sandbox.create('base', { ...connection, envs: { GREETING: 'hi' } });
  const command = await sandbox.commands.run('read line; echo "$GREETING $line" >&2; exit 3', {
    background: true,
  });
  await sandbox.commands.sendStdin(command.pid, 'there\n');
  await expect(command.wait()).rejects.toMatchObject({ exitCode: 3, stderr: 'hi there\n' });
  const events: string[] = [];
  const watch = await sandbox.files.watchDir(
    '/home/user',
    ({ type, name }) => void events.push(`${type} ${name}`),
  );
  await sandbox.files.write('/home/user/a.txt', 'one');
  await expect.poll(() => events, { timeout: 20_000 }).toContain('create a.txt');
  await watch.stop();
  expect(await sandbox.files.read('/home/user/a.txt')).toBe('one');
  await sandbox.files.rename('/home/user/a.txt', '/home/user/b.txt');
  const names = (await sandbox.files.list('/home/user')).map(({ name }) => name);
  expect(names).toContain('b.txt');
  await sandbox.files.remove('/home/user/b.txt');
  expect(await sandbox.files.exists('/home/user/b.txt')).toBe(false);
  const server = `node -e "require('http').createServer((q, r) => r.end('served')).listen(3000)"`;
  await sandbox.commands.run(server, { background: true });
  const url = `https://${sandbox.getHost(3000)}`;
  await expect.poll(async () => (await fetch(url)).text(), { timeout: 20_000 }).toBe('served');
  await sandbox.kill();
});
