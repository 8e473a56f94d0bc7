import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeNetwork } from '@sandpiper/sandbox-engine/testing/machine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OwnMachine } from './own-machine.js';

/** It is looked at every quarter of a minute. */
const soon = { timeout: 60_000, interval: 250 };

describeNetwork('what other programs of the machine change under a sandbox', { timeout: 120_000 }, () => {
  let machine: OwnMachine;
  let id: string;
  beforeAll(async () => {
    machine = await OwnMachine.make();
    await machine.start();
    id = await machine.order<string>('create');
  }, 120_000);
  afterAll(() => machine.end(), 120_000);

  const kept = (file: string) =>
    JSON.parse(readFileSync(join(machine.dataDir, 'sandboxes', id, file), 'utf8'));
  const logs = async (): Promise<string> => (await machine.call('GET', `/v2/sandboxes/${id}/logs`)).body;
  const audit = async (): Promise<string> => (await machine.call('GET', '/x/audit?limit=100')).body;

  test('limits are set again, and it is said', async ({ skip }) => {
    const { jobs } = kept('control-groups.json');
    skip(!jobs.pids, 'this machine cannot limit processes');
    const file = join(jobs.pids.directory, 'pids.max');
    const limit = readFileSync(file, 'utf8');
    await machine.run('sh', '-c', `echo max > ${file}`);
    await expect.poll(() => readFileSync(file, 'utf8'), soon).toBe(limit);
    await expect.poll(logs, soon).toContain('Its limits are in force again: pids.max was set to max.');
    expect(await audit()).toMatch(/machine\.limits.*restored/);
  });

  test('processes come back to their control groups, and stay paused', async () => {
    const { pid } = kept('supervisor.json');
    const { directory } = kept('control-groups.json').jobs.freeze;
    const procs = (): string[] => readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n');
    expect(procs()).toContain(String(pid));
    expect((await machine.call('POST', `/sandboxes/${id}/pause`)).status).toBe(204);
    await machine.run('sh', '-c', `echo ${pid} > ${dirname(dirname(directory))}/cgroup.procs`);
    expect(procs()).not.toContain(String(pid));
    await expect.poll(procs, soon).toContain(String(pid));
    await expect.poll(logs, soon).toContain('its processes were moved out of its control group');
    expect(await machine.order('exec', { id, script: 'echo lives' })).toBe('lives\n');
  });

  /** Moves what is in groups to the topmost one, and removes them, those below first. */
  const removeGroups = (...directories: string[]): Promise<string> =>
    machine.run(
      'sh',
      '-c',
      directories
        .map((directory) => {
          const top = directory.slice(0, directory.indexOf('/sandpiper'));
          return `find ${directory} -depth -type d | while read -r group; do
            for try in 1 2 3 4 5; do
              while read -r pid; do echo $pid > ${top}/cgroup.procs; done < $group/cgroup.procs
              rmdir $group && break
              sleep 0.2
            done
          done`;
        })
        .join('\n'),
    );
  const directoriesOf = (): string[] => {
    const { jobs } = kept('control-groups.json') as { jobs: Record<string, { directory: string }> };
    return [...new Set(Object.values(jobs).map(({ directory }) => directory))];
  };

  test.each([
    ['the control groups of a sandbox', (directories: string[]) => directories],
    ['those of its host with all below', (directories: string[]) => directories.map((one) => dirname(one))],
  ])('%s are made again when they were removed, with their limits', async (_, removed) => {
    const { pid } = kept('supervisor.json');
    const { jobs } = kept('control-groups.json');
    const limitFile = jobs.pids && join(jobs.pids.directory, 'pids.max');
    const limit = limitFile && readFileSync(limitFile, 'utf8');
    const directories = directoriesOf();
    await removeGroups(...removed(directories));
    expect(directories.filter((directory) => existsSync(directory))).toEqual([]);
    // Others are made meanwhile.
    const other = await machine.order<string>('create');
    expect((await machine.call('DELETE', `/sandboxes/${other}`)).status).toBe(204);
    const members = (): boolean[] =>
      directories.map(
        (directory) =>
          existsSync(directory) &&
          readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').includes(String(pid)),
      );
    await expect.poll(members, soon).toEqual(directories.map(() => true));
    if (limitFile) expect(readFileSync(limitFile, 'utf8')).toBe(limit);
    await expect.poll(logs, soon).toContain('its control group was removed');
    expect(await machine.order('exec', { id, script: 'echo lives' })).toBe('lives\n');
  });

  test('a link that was deleted is made again, as is the address of the proxy', async () => {
    const links = async (): Promise<string> => machine.run('ip', '-o', 'link');
    const { slot } = kept('network.json');
    const { block } = JSON.parse(readFileSync(join(machine.dataDir, 'network.json'), 'utf8'));
    const link = `sand${block}-${slot}`;
    const service = / inet (\S+) .*lo:sandpiper/.exec(
      await machine.run('ip', '-o', 'address', 'show', 'dev', 'lo'),
    )?.[1];
    await machine.run('ip', 'link', 'delete', link);
    await machine.run('ip', 'address', 'delete', service ?? '', 'dev', 'lo');
    await expect.poll(links, soon).toContain(`${link}@`);
    await expect
      .poll(() => machine.order('exec', { id, script: 'cat /proc/net/route' }), soon)
      .toMatch(/eth0\t00000000/);
    await expect.poll(logs, soon).toContain('Its link to the machine had gone; there is a new one.');
    expect(await machine.run('ip', '-o', 'address', 'show', 'dev', 'lo')).toContain(service);
  });

  test('names of its namespaces that were removed keep nobody from ending it', async () => {
    await machine.run('sh', '-c', 'umount /run/netns/sandpiper-*; rm -f /run/netns/sandpiper-*');
    expect((await machine.call('DELETE', `/sandboxes/${id}`)).status).toBe(204);
    // Those that were kept ready have gone, too.
    await expect.poll(() => machine.order('create').catch(String), { timeout: 60_000 }).toMatch(/^\w{20,}$/);
  });
});
