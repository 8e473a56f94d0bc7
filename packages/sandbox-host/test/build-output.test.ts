import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Sandbox, Template } from 'e2b';
import { expect, test } from 'vitest';
import { useHostProcesses } from './host-process.js';

const hosts = useHostProcesses();
const onLinux = process.platform === 'linux';
const MB = 2 ** 20;

/** The most memory that a process has had (proc_pid_status(5)). */
const mostMemory = (pid: number | undefined): number =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

test.skipIf(!onLinux)(
  'a build step that prints millions of lines costs neither memory nor the log',
  async () => {
    const { dataDir } = hosts;
    const host = await hosts.start({ dataDir });
    const before = mostMemory(host.child.pid);
    const lines: string[] = [];
    // 12 MB in lines of two bytes, and then a step that says little.
    const template = Template()
      .fromTemplate('base')
      .runCmd('yes | head -c 12000000; echo the end of it')
      .runCmd('echo a small step');
    const { templateId, buildId } = await Template.build(template, 'printer', {
      ...host.connection,
      onBuildLogs: ({ message }) => void lines.push(message),
    });
    expect(mostMemory(host.child.pid) - before).toBeLessThan(150 * MB);
    const cut = lines.findIndex((line) => line.startsWith('The log is longer than'));
    const begin = lines.indexOf('y');
    expect(lines.slice(begin, cut).every((line) => line === 'y')).toBe(true);
    expect(cut).toBeGreaterThan(10_000);
    const dropped = Number(/^(\d+) lines were dropped here\.$/.exec(lines[cut + 1] ?? '')?.[1]);
    const end = lines.indexOf('the end of it');
    expect(lines.slice(cut + 2, end).every((line) => line === 'y')).toBe(true);
    expect(cut - begin + dropped + end - (cut + 2)).toBe(6_000_000);
    expect(lines.slice(end)).toEqual(
      expect.arrayContaining(['the end of it', 'a small step', 'Build finished']),
    );
    const [log] = readdirSync(join(dataDir, 'build-logs')).map((name) => join(dataDir, 'build-logs', name));
    expect(statSync(log ?? '').size).toBeLessThan(3 * MB);
    expect(statSync(join(dataDir, 'templates.jsonl')).size).toBeLessThan(10_000);
    const { apiUrl, apiKey } = host.connection;
    const logs = (query: string) =>
      fetch(`${apiUrl}/templates/${templateId}/builds/${buildId}/logs?${query}`, {
        headers: { 'x-api-key': apiKey },
      }).then((response) => response.json() as Promise<{ logs: { message: string }[] }>);
    expect((await logs('direction=backward&limit=1')).logs).toMatchObject([{ message: 'Build finished' }]);
    expect((await logs('level=warn')).logs).toHaveLength(2);
    const removed = await fetch(`${apiUrl}/templates/${templateId}`, {
      method: 'DELETE',
      headers: { 'x-api-key': apiKey },
    });
    expect(removed.status).toBe(204);
    expect(readdirSync(join(dataDir, 'build-logs'))).toEqual([]);
  },
);

test.skipIf(!onLinux)('what nobody reads, and what a server logs, costs the host little', async () => {
  const host = await hosts.start({});
  const before = mostMemory(host.child.pid);
  const sandbox = await Sandbox.create({ ...host.connection, timeoutMs: 600_000 });
  // A byte at a time, each a piece of its own on its way.
  const script = 'import os\nfor _ in range(300000): os.write(1, b"x")\nos.write(1, b"\\nlast")';
  await sandbox.files.write('write.py', script);
  const command = await sandbox.commands.run('python3 write.py', { background: true, timeoutMs: 0 });
  await command.disconnect();
  await expect.poll(() => sandbox.commands.list().then((all) => all.length), { timeout: 50_000 }).toBe(0);
  expect(mostMemory(host.child.pid) - before).toBeLessThan(100 * MB);
  await sandbox.kill();
});
