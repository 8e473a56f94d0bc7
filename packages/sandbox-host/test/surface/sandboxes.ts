import { expect, test } from 'vitest';
import type { Surface } from './surface.js';

/** Sandboxes, by their objects and by their ids. */
export function sandboxes(surface: Surface): void {
  const { fixture } = surface;

  test('sandboxes: made, found, read about, ended', async () => {
    const { Sandbox } = surface.sdk;
    const { connection } = fixture;
    const sandbox = await Sandbox.create({ ...connection, metadata: { who: 'surface' } });
    const { sandboxId } = sandbox;
    const list = Sandbox.list({ ...connection, query: { metadata: { who: 'surface' } } });
    expect((await list.nextItems()).map((one) => one.sandboxId)).toEqual([sandboxId]);
    expect(list.hasNext).toBe(false);
    expect(await sandbox.isRunning()).toBe(true);
    expect(await sandbox.getInfo()).toMatchObject({ sandboxId, state: 'running' });
    expect(await Sandbox.getInfo(sandboxId, connection)).toMatchObject({ sandboxId });
    expect(await Sandbox.getFullInfo(sandboxId, connection)).toMatchObject({ sandboxId, state: 'running' });
    await expect.poll(() => sandbox.getMetrics(), { timeout: 15_000 }).not.toEqual([]);
    const [sample] = await Sandbox.getMetrics(sandboxId, connection);
    expect(sample?.cpuCount).toBeGreaterThan(0);
    const left = async () => ((await sandbox.getInfo()).endAt.getTime() - Date.now()) / 1_000;
    await sandbox.setTimeout(500_000);
    expect(await left()).toBeGreaterThan(400);
    await Sandbox.setTimeout(sandboxId, 50_000, connection);
    expect(await left()).toBeLessThan(51);
    expect(await sandbox.kill()).toBe(true);
    expect(await sandbox.isRunning()).toBe(false);
    const other = await fixture.create();
    expect(await Sandbox.kill(other.sandboxId, connection)).toBe(true);
    expect(await Sandbox.kill(other.sandboxId, connection)).toBe(false);
  });

  test('sandboxes: paused and connected to', async () => {
    const { Sandbox } = surface.sdk;
    const { connection } = fixture;
    const sandbox = await fixture.create();
    const { sandboxId } = sandbox;
    const paused = async (change: Promise<boolean>) => [await change, (await sandbox.getInfo()).state];
    expect(await paused(sandbox.pause())).toEqual([true, 'paused']);
    expect(await paused(sandbox.betaPause())).toEqual([false, 'paused']);
    await sandbox.connect();
    expect(await paused(Sandbox.pause(sandboxId, connection))).toEqual([true, 'paused']);
    const again = await Sandbox.connect(sandboxId, connection);
    expect((await again.commands.run('echo back')).stdout).toBe('back\n');
    expect(await paused(Sandbox.betaPause(sandboxId, connection))).toEqual([true, 'paused']);
    await sandbox.kill();
  });

  test('sandboxes: snapshots and forks', async () => {
    const { Sandbox } = surface.sdk;
    const { connection } = fixture;
    const sandbox = await fixture.create();
    const { sandboxId } = sandbox;
    await sandbox.files.write('kept', 'kept');
    const ids = [
      (await sandbox.createSnapshot()).snapshotId,
      (await Sandbox.createSnapshot(sandboxId, connection)).snapshotId,
    ].sort();
    const listed = async (paginator: ReturnType<typeof sandbox.listSnapshots>) =>
      (await paginator.nextItems()).map((one) => one.snapshotId).sort();
    expect(await listed(sandbox.listSnapshots())).toEqual(ids);
    expect(await listed(Sandbox.listSnapshots({ ...connection, sandboxId }))).toEqual(ids);
    const forks = [...(await sandbox.fork({ count: 1 })), ...(await Sandbox.fork(sandboxId, connection))];
    const copies = [...forks, await fixture.create(ids[0])];
    expect(copies).toHaveLength(3);
    for (const copy of copies) {
      if (copy instanceof Error) throw copy;
      expect(await copy.files.read('kept')).toBe('kept');
      await copy.kill();
    }
    for (const id of ids) expect(await Sandbox.deleteSnapshot(id, connection)).toBe(true);
    await sandbox.kill();
  });

  test('sandboxes: what they may reach', async () => {
    const { Sandbox } = surface.sdk;
    const sandbox = await fixture.create();
    await sandbox.updateNetwork({ allowInternetAccess: true });
    const forbid = Sandbox.updateNetwork(
      sandbox.sandboxId,
      { denyOut: ['192.0.2.0/24'] },
      fixture.connection,
    );
    if (fixture.host.capabilities.network.level === 'enforced') await forbid;
    else await expect(forbid).rejects.toThrow(/share the network/);
    await Sandbox.updateNetwork(sandbox.sandboxId, { allowInternetAccess: true }, fixture.connection);
    await sandbox.kill();
  });

  test('sandboxes: how they are reached from outside', async () => {
    const { sdk } = surface;
    const sandbox = await fixture.create();
    const { sandboxId } = sandbox;
    const { domain } = fixture.host;
    expect(sandbox.getHost(8080)).toBe(`8080-${sandboxId}.${domain ?? 'e2b.app'}`);
    const config = new sdk.ConnectionConfig(fixture.connection);
    const place = { sandboxDomain: domain ?? 'e2b.app', envdPort: 49983 };
    expect(config.getHost(sandboxId, 8080, place.sandboxDomain)).toBe(sandbox.getHost(8080));
    expect(config.getSignal(1_000)?.aborted).toBe(false);
    const headers = { 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '49983' };
    for (const url of [config.getSandboxUrl(sandboxId, place), config.getSandboxDirectUrl(sandboxId, place)])
      expect((await fetch(`${url}/health`, { headers })).status, url).toBe(204);

    const form = new FormData();
    form.append('file', new Blob(['signed']), 'name');
    expect((await fetch(await sandbox.uploadUrl('signed'), { method: 'POST', body: form })).status).toBe(200);
    const url = new URL(await sandbox.downloadUrl('signed'));
    expect(await (await fetch(url)).text()).toBe('signed');
    const { envdAccessToken } = sandbox as unknown as { envdAccessToken: string };
    const { signature } = await sdk.getSignature({
      path: 'signed',
      operation: 'read',
      user: undefined,
      envdAccessToken,
    });
    expect(url.searchParams.get('signature')).toBe(signature);
    expect(sandbox.getMcpUrl()).toContain(sandbox.getHost(50005));
    await expect(sandbox.getMcpToken()).rejects.toThrow(/mcp-gateway.*does not exist/);
    await sandbox.kill();
  });

  test('a client that is told once where to connect', async () => {
    const { sdk } = surface;
    const client = new sdk.E2B(fixture.connection);
    const sandbox = await client.Sandbox.create();
    expect((await sandbox.commands.run('echo bound')).stdout).toBe('bound\n');
    expect(await client.Template.exists('base')).toBe(true);
    expect(await client.Volume.list()).toEqual([]);
    await sandbox.kill();
  });

  test('what asks for tokens and transforms on the way out is taken and ignored', async () => {
    const { Secret } = surface.sdk;
    const sandbox = await fixture.create('base', {
      iam: { tokens: { id: Secret.iamToken({ audience: 'a', tokenType: 'jwt' }) } },
      network: { rules: { 'example.com': [{ transform: { headers: { 'x-added': 'yes' } } }] } },
    });
    expect((await sandbox.commands.run('echo runs')).stdout).toBe('runs\n');
    await sandbox.kill();
    // Without it, traffic would go out by itself.
    const proxied = fixture.create('base', {
      network: { egressProxy: { address: 'proxy.example.com:1080' } },
    });
    await expect(proxied).rejects.toThrow(/network.egressProxy.*nothing through a proxy/);
  });

  test('what one machine does not have is refused in words', async () => {
    const { Secret } = surface.sdk;
    const { connection } = fixture;
    const calls = [
      () => Secret.create('name', 'value', connection),
      () => Secret.update('name', 'value', connection),
      () => Secret.getInfo('name', connection),
      () => Secret.exists('name', connection),
      () => Secret.destroy('name', connection),
      () => Secret.list(connection).nextItems(),
    ];
    for (const call of calls)
      await expect(call()).rejects.toThrow(
        /501: This host has no stored secrets; give them to a sandbox as envs/,
      );
    // It asks no server.
    expect(Secret.fill('name')).toContain('name');
  });
}
