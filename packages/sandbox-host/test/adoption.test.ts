import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { disksOf, groupsOf, processesWith } from '@sandpiper/engine-linux/testing/traces';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { useHostProcesses } from './host-process.js';
import { recordsIn } from './manager-of.js';

const hosts = useHostProcesses();

/** Counts its requests in its memory, where only going on keeps them. */
const counter = (mark: string): string => `let count = 0; // ${mark}
require('node:http').createServer((request, response) => response.end(String(++count))).listen(8080, () => console.log('up'));`;

describeIsolated('a host that takes over from one that was killed', () => {
  test('goes on with what ran and what slept, with the same tokens, and leaves nothing in the end', async () => {
    const mark = `adoption-${process.pid}`;
    const { dataDir } = hosts;
    const first = await hosts.start({ dataDir, isolation: 'namespaces' });
    const { connection, port } = first;
    const names = ['runs', 'paused', 'hibernated', 'files'] as const;
    const made: Sandbox[] = [];
    for (const name of names) {
      const sandbox = await Sandbox.create('base', {
        ...connection,
        metadata: { name },
        lifecycle: { onTimeout: 'pause', autoResume: true },
        timeoutMs: 300_000,
      });
      await sandbox.files.write('counter.js', counter(mark));
      await sandbox.commands.run('node counter.js > log 2>&1 & until grep -q up log; do sleep 0.05; done');
      made.push(sandbox);
    }
    const [running, paused, hibernated, files] = made as [Sandbox, Sandbox, Sandbox, Sandbox];
    const count = async ({ sandboxId }: Sandbox): Promise<string> => {
      const response = await fetch(connection.sandboxUrl, {
        headers: { 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '8080' },
      });
      return response.text();
    };
    for (const sandbox of made) expect(await count(sandbox)).toBe('1');
    const command = await running.commands.run(
      'i=0; while [ ! -e stop ]; do i=$((i+1)); sleep 0.1; done; echo stopped',
      { background: true, timeoutMs: 0 },
    );
    await paused.pause();
    await fetch(`${connection.apiUrl}/x/sandboxes/${hibernated.sandboxId}/hibernate`, {
      method: 'POST',
      headers: { 'x-api-key': connection.apiKey },
    });
    await files.pause({ keepMemory: false });
    const listed = (await Sandbox.list({ ...connection }).nextItems()).map(
      ({ metadata, state, startedAt }) => ({
        metadata,
        state,
        startedAt,
      }),
    );

    await first.kill();
    await command.wait().catch(() => {});
    // Three have a counter that goes on, or stands still.
    expect(processesWith('node counter.js').length).toBeGreaterThanOrEqual(3);
    const second = await createSandboxHost({ dataDir, port, isolation: 'namespaces' });
    expect(second.apiKey).toBe(connection.apiKey);
    const again = await Sandbox.list({ ...connection }).nextItems();
    expect(again.map(({ metadata, state, startedAt }) => ({ metadata, state, startedAt }))).toEqual(listed);

    // The objects of before, with their tokens.
    expect(await running.files.read('log')).toBe('up\n');
    expect(await count(running)).toBe('2');
    expect((await running.commands.list()).map(({ pid }) => pid)).toContain(command.pid);
    const followed = await running.commands.connect(command.pid);
    await running.files.write('stop', '');
    expect((await followed.wait()).stdout).toBe('stopped\n');
    expect(await count(paused)).toBe('2');
    expect(await count(hibernated)).toBe('2');
    await files.connect();
    expect(await files.files.read('log')).toBe('up\n');
    expect((await files.commands.run('grep -slx node /proc/[0-9]*/comm | wc -l')).stdout).toBe('0\n');
    const newest = await Sandbox.create('base', connection);
    const startedAt = (await newest.getInfo()).startedAt.getTime();
    for (const one of listed) expect(startedAt).toBeGreaterThan(one.startedAt.getTime());

    await second.close();
    expect(readdirSync(join(dataDir, 'sandboxes'))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(dataDir);
    expect(processesWith(dataDir)).toEqual([]);
    expect([...groupsOf(dataDir), ...disksOf(dataDir)]).toEqual([]);
    const records = recordsIn(dataDir);
    expect([...records.values()]).toEqual([]);
    records.close();
  }, 120_000);

  test('ends what its deadline passed for, and what no record knows', async () => {
    const { dataDir } = hosts;
    const first = await hosts.start({ dataDir, isolation: 'namespaces' });
    const { connection } = first;
    const short = await Sandbox.create('base', { ...connection, timeoutMs: 15_000 });
    const kept = await Sandbox.create('base', connection);
    await first.kill();
    const { endAt } = JSON.parse(
      readFileSync(join(dataDir, 'sandboxes.jsonl'), 'utf8')
        .split('\n')
        .findLast((line) => line.includes(short.sandboxId)) ?? '{}',
    ).record;
    await new Promise((resolve) => setTimeout(resolve, Math.max(endAt - Date.now() + 100, 0)));
    const second = await createSandboxHost({ dataDir, isolation: 'namespaces' });
    const { apiUrl, sandboxUrl, apiKey } = second;
    const again = { apiUrl, sandboxUrl, apiKey };
    const list = async () => (await Sandbox.list({ ...again }).nextItems()).map(({ sandboxId }) => sandboxId);
    await expect.poll(list, { timeout: 30_000 }).toEqual([kept.sandboxId]);
    await expect
      .poll(() => readdirSync(join(dataDir, 'sandboxes')), { timeout: 30_000 })
      .toEqual([kept.sandboxId]);
    await second.close();
  }, 90_000);

  test('that cannot have the port leaves what runs to a host that can; who comes too early waits', async () => {
    const { dataDir } = hosts;
    const first = await hosts.start({ dataDir, isolation: 'namespaces' });
    const sandbox = await Sandbox.create('base', first.connection);
    const command = await sandbox.commands.run('sleep 300', { background: true, timeoutMs: 0 });
    await first.kill();
    // The SDK asks the host's port whether the sandbox is well: a connection left open would keep this from closing.
    const inTheWay = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => inTheWay.listen(first.port, '127.0.0.1', resolve));
    try {
      const options = { dataDir, isolation: 'namespaces', port: first.port } as const;
      await expect(createSandboxHost(options)).rejects.toThrow('EADDRINUSE');
      await new Promise((resolve) => inTheWay.close(resolve));
      // Asked for while the host takes over: from the first moment it listens, and before it answers.
      const isListed = async (): Promise<boolean> => {
        for (;;) {
          const listed = await Sandbox.list(first.connection)
            .nextItems()
            .catch(() => undefined);
          if (listed) return listed.some(({ sandboxId }) => sandboxId === sandbox.sandboxId);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      };
      const [host, seen] = await Promise.all([createSandboxHost(options), isListed()]);
      expect(seen).toBe(true);
      const processes = await sandbox.commands.list();
      expect(processes.map(({ pid }) => pid)).toEqual([command.pid]);
      await host.close();
    } finally {
      inTheWay.close();
    }
  }, 90_000);
});
