import { describeNetwork } from '@sandpiper/sandbox-engine/testing/machine';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OwnMachine } from './own-machine.js';

const flush = ['nft', 'flush', 'ruleset'];

describeNetwork('a host whose rules another program flushes', { timeout: 120_000 }, () => {
  let machine: OwnMachine;
  beforeEach(async () => {
    machine = await OwnMachine.make();
    await machine.start();
  }, 120_000);
  afterEach(() => machine.end(), 120_000);

  const network = async () =>
    (await machine.order<{ network: { level: string; reason: string } }>('capabilities')).network;
  const audit = async (): Promise<string> => (await machine.call('GET', '/x/audit?limit=100')).body;
  /** How often the program inside got through, as it saw it itself: it has time to try again and again. */
  const expectClosed = async (id: string): Promise<number> => {
    const script = 'wc -l < /tmp/reached; sleep 0.5; wc -l < /tmp/reached';
    const [before, after] = (await machine.order<string>('exec', { id, script })).trim().split('\n');
    expect(after).toBe(before);
    return Number(after) - 1;
  };

  test('puts them back, says so, and goes on', async () => {
    const id = await machine.order<string>('create');
    await machine.order('besiege', { id });
    expect(await expectClosed(id)).toBe(0);
    await machine.run(...flush);
    await expect
      .poll(audit, { timeout: 30_000 })
      .toMatch(/machine\.network.*restored.*the packet filter was flushed/);
    await expectClosed(id);
    expect((await network()).level).toBe('enforced');
    const logs = await machine.call('GET', `/v2/sandboxes/${id}/logs`);
    expect(logs.body).toMatch(
      /Its network rules had gone \(the packet filter was flushed\); they were put back within \d+ ms/,
    );

    // While they are gone and before anybody has noticed.
    const [created] = await Promise.all([machine.order<string>('create'), machine.run(...flush)]);
    await Promise.all([machine.run(...flush), machine.call('DELETE', `/sandboxes/${created}`)]).then(
      ([, { status }]) => expect(status).toBe(204),
    );
    const another = await machine.order<string>('create');
    expect(await machine.order('exec', { id: another, script: 'echo lives' })).toBe('lives\n');
    expect((await machine.call('DELETE', `/sandboxes/${id}`)).status).toBe(204);
  });

  test('puts back a chain and a sandbox that have gone', async () => {
    const id = await machine.order<string>('create');
    await machine.order('besiege', { id });
    const table = /table inet (sandpiper-\d+)/.exec(await machine.run('nft', 'list', 'tables'))?.[1] ?? '';
    await machine.run('nft', 'flush', 'chain', 'inet', table, 'to_host');
    await expect.poll(audit, { timeout: 30_000 }).toMatch(/the chain to_host has 0 rules instead of/);
    await expectClosed(id);
  });

  test('lets none go on that cannot be walled in, and ends it when it is asked to', async () => {
    const [id, other] = [await machine.order<string>('create'), await machine.order<string>('create')];
    await machine.order('besiege', { id });
    const tool = `${machine.dataDir}/nft-of-the-firewall`;
    const { stdout: nft } = { stdout: (await machine.run('sh', '-c', 'command -v nft')).trim() };
    await machine.run('cp', nft, tool);
    await machine.run('mount', '--bind', '/bin/false', nft);
    await machine.run(tool, 'flush', 'ruleset');
    await expect
      .poll(network, { timeout: 30_000 })
      .toMatchObject({ level: 'absent', reason: expect.stringContaining('cannot be put back') });
    // What had come before is taken up one by one.
    const reached = (): Promise<number> => machine.order('reached');
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1_000));
    await pause();
    const before = await reached();
    await pause();
    expect(await reached()).toBe(before);
    expect(await audit()).toMatch(/machine\.network.*lost/);
    await expect(machine.order('create')).rejects.toThrow(/cannot be put back/);
    await expect(machine.order('exec', { id, script: 'true' })).rejects.toThrow();
    expect((await machine.call('DELETE', `/sandboxes/${other}`)).status).toBe(204);
    expect((await machine.call('POST', `/sandboxes/${id}/pause`)).status).toBe(204);
    await machine.run('umount', nft);
    await expect.poll(network, { timeout: 30_000 }).toMatchObject({ level: 'enforced' });
    // It was paused meanwhile, and is until it is wanted.
    expect((await machine.call('GET', `/sandboxes/${id}`)).body).toContain('"state":"paused"');
    await expectClosed(id);
    expect(await machine.order('exec', { id, script: 'echo lives' })).toBe('lives\n');
  });

  test('walls in what it takes over, when they were flushed while there was none', async () => {
    const id = await machine.order<string>('create');
    await machine.order('exec', { id, script: 'nohup sh -c "while :; do sleep 1; done" >/dev/null 2>&1 &' });
    await machine.order('besiege', { id });
    await machine.killHost();
    await machine.runAlone(...flush);
    await machine.start();
    expect((await network()).level).toBe('enforced');
    expect(await machine.run('nft', 'list', 'ruleset')).toContain(`goto sandbox-${id}`);
    await machine.order('besiege', { id });
    await expectClosed(id);
    expect(await machine.order('exec', { id, script: 'echo lives' })).toBe('lives\n');
    expect((await machine.call('DELETE', `/sandboxes/${id}`)).status).toBe(204);
  });
});
