import { spawn } from 'node:child_process';
import { setServers } from 'node:dns';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkPolicy } from '@sandpiper/sandbox-engine/engine';
import { ownerTag } from '@sandpiper/sandbox-engine/owner';
import { describeNetwork } from '@sandpiper/sandbox-engine/testing/machine';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { textLoader } from '../../../scripts/text-files.js';
import { linkAddresses, serviceAddress } from '../src/network/address-plan.js';
import { claimBlock, releaseBlock, releaseOrphans } from '../src/network/claim.js';
import { type SandboxNetwork, SandboxNetworks } from '../src/network/sandbox-networks.js';
import { Internet, Resident, run } from '../src/testing/network-namespaces.js';
import { stillThere, tracesOfBlock } from '../src/testing/traces.js';

const closed: NetworkPolicy = { internet: false, allowOut: [], denyOut: [] };
const open: NetworkPolicy = { internet: true, allowOut: [], denyOut: [] };
/** How a program hears that it may not. */
const refused = /^(ECONNREFUSED|EHOSTUNREACH|ECONNRESET)$/;

describeNetwork('the network of a sandbox', { timeout: 90_000 }, () => {
  let directory: string;
  let networks: SandboxNetworks;
  let internet: Internet;
  const refusals: string[] = [];
  const made: { network: SandboxNetwork; resident: Resident }[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'network-'));
    networks = await SandboxNetworks.open(directory, { logger: console });
    internet = new Internet();
    const { addresses, resident } = internet;
    await resident.tell('listen', { host: '0.0.0.0', port: 443, says: 'from outside' });
    await resident.tell('http', { host: '0.0.0.0', port: 80, says: 'web' });
    const { open: address, private: hidden } = addresses;
    const names = { 'allowed.test': address, 'deep.sub.test': address, 'rebound.test': hidden };
    await resident.tell('dns', { host: addresses.names, names: { ...names, 'loop.test': '127.0.0.1' } });
    setServers([addresses.names]);
  }, 90_000);
  afterAll(async () => {
    for (const { network, resident } of made) {
      await resident.end();
      await network.close();
    }
    await networks?.close();
    await internet?.end();
    await rm(directory, { recursive: true });
  }, 90_000);

  let count = 0;
  async function create(policy: NetworkPolicy): Promise<{ network: SandboxNetwork; resident: Resident }> {
    const network = await networks.open(`test${++count}`, {
      policy,
      onRefused: (target) => refusals.push(target),
    });
    await network.ready;
    const sandbox = { network, resident: Resident.in(network.netns) };
    made.push(sandbox);
    return sandbox;
  }

  /** What the host receives from a port of a sandbox. */
  function ask({ network }: (typeof made)[number], port: number): Promise<string> {
    return host.tell('connect', { host: network.address, port });
  }
  let host: Resident;
  beforeAll(() => {
    host = Resident.in('/proc/self/ns/net');
  });
  afterAll(() => host?.end());

  const reach = (resident: Resident, address: string, port = 443, from?: string): Promise<string> =>
    resident.tell('connect', { host: address, port, from });

  test('has the same ports as every other, each with its own server behind it', async () => {
    const [one, other] = await Promise.all([create(closed), create(closed)]);
    for (const [sandbox, says] of [
      [one, 'one'],
      [other, 'other'],
    ] as const) {
      expect(await sandbox.resident.tell('listen', { host: '0.0.0.0', port: 8080, says })).toBe('8080');
      expect(await ask(sandbox, 8080)).toBe(says);
    }
    expect(await ask(one, 8081)).toBe('ECONNREFUSED');
  });

  test.each(['127.0.0.1', 'localhost', '::'])('is reached from the host at a port on %s', async (address) => {
    const sandbox = await create(closed);
    expect(await sandbox.resident.tell('listen', { host: address, port: 3000, says: 'here' })).toBe('3000');
    expect(await ask(sandbox, 3000)).toBe('here');
    expect(await reach(sandbox.resident, '127.0.0.1', 3000)).toBe('here');
  });

  test('leads to no server of the host, wherever that listens', async () => {
    const servers: Server[] = [];
    const listen = (address: string): Promise<number> =>
      new Promise((resolve) => {
        const server = createServer((socket) => socket.end('the host'));
        servers.push(server);
        server.listen(0, address, () => resolve((server.address() as { port: number }).port));
      });
    const { network, resident } = await create(open);
    const [everywhere, loopback] = [await listen('0.0.0.0'), await listen('127.0.0.1')];
    const gateway = /via (\S+)/.exec(run('nsenter', '', `--net=${network.netns}`, 'ip', 'route'))?.[1] ?? '';
    const external = internet.addresses.open.replace(/\d+$/, (last) => String(Number(last) - 1));
    // The host itself finds its server there, so what comes below is the wall's doing.
    expect(await reach(host, external, everywhere)).toBe('the host');
    for (const address of [gateway, external, '127.0.0.1']) {
      expect(await reach(resident, address, everywhere), address).toMatch(refused);
      expect(await reach(resident, address, loopback), address).toMatch(refused);
    }
    for (const server of servers) server.close();
  });

  test('leads to no other sandbox', async () => {
    const [one, other] = await Promise.all([create(open), create(open)]);
    await other.resident.tell('listen', { host: '0.0.0.0', port: 8080, says: 'other' });
    const { address } = other.network;
    expect(await reach(host, address, 8080)).toBe('other');
    expect(await reach(one.resident, address, 8080)).toMatch(refused);
  });

  test('leads nowhere without internet', async () => {
    const { resident } = await create(closed);
    const { names, ...others } = internet.addresses;
    for (const address of Object.values(others))
      expect(await reach(resident, address), address).toMatch(refused);
    expect(await resident.tell('resolve', { name: 'allowed.test', server: names })).not.toMatch(/\d/);
  });

  test('leads to what is public with internet, and not to what is private, nor to metadata', async () => {
    const { resident } = await create(open);
    const { open: address, other, private: hidden, linkLocal, names } = internet.addresses;
    expect(await reach(resident, address)).toBe('from outside');
    expect(await reach(resident, other)).toBe('from outside');
    expect(await resident.tell('resolve', { name: 'allowed.test', server: names })).toBe(address);
    expect(await reach(host, hidden)).toBe('from outside');
    expect(await reach(host, linkLocal)).toBe('from outside');
    for (const closedTo of [hidden, linkLocal, '169.254.169.254'])
      expect(await reach(resident, closedTo), closedTo).toMatch(refused);
  });

  test('keeps to lists: what is allowed is allowed whatever is denied', async () => {
    const { open: address, other, private: hidden } = internet.addresses;
    const range = `${address.replace(/\d+$/, '0')}/24`;
    const denied = await create({ internet: true, allowOut: [], denyOut: [`${other}/32`, '::/0'] });
    expect(await reach(denied.resident, address)).toBe('from outside');
    expect(await reach(denied.resident, other)).toMatch(refused);
    const allowed = await create({ internet: false, allowOut: [address, hidden], denyOut: [range] });
    expect(await reach(allowed.resident, address)).toBe('from outside');
    expect(await reach(allowed.resident, hidden)).toBe('from outside');
    expect(await reach(allowed.resident, other)).toMatch(refused);
    const all = await create({ internet: true, allowOut: ['0.0.0.0/0'], denyOut: ['0.0.0.0/0'] });
    expect(await reach(all.resident, other)).toBe('from outside');
    expect(await reach(all.resident, hidden)).toMatch(refused);
    const none = await create({ internet: true, allowOut: [], denyOut: ['0.0.0.0/0'] });
    expect(await reach(none.resident, address)).toMatch(refused);
  });

  test('changes its rules while it runs, for connections that are open, too', async () => {
    const { network, resident } = await create(open);
    const { open: address } = internet.addresses;
    expect(await reach(resident, address)).toBe('from outside');
    await network.setPolicy(closed);
    expect(await reach(resident, address)).toMatch(refused);
    await network.setPolicy({ internet: false, allowOut: ['allowed.test'], denyOut: [] });
    const proxy = network.environment.HTTPS_PROXY;
    expect(await resident.tell('tunnel', { to: 'allowed.test:443', proxy })).toBe('200 from outside');
    await network.setPolicy(closed);
    expect(await resident.tell('ended')).toBe('ended');
    expect(network.environment).toEqual({});
    await network.setPolicy(open);
    expect(await reach(resident, address)).toBe('from outside');
  });

  test('lets only through the proxy to hosts that are allowed by name', async () => {
    const { network, resident } = await create({
      internet: true,
      allowOut: ['Allowed.test', '*.sub.test', 'rebound.test', 'loop.test'],
      denyOut: ['0.0.0.0/0'],
    });
    const { open: address } = internet.addresses;
    const proxy = network.environment.http_proxy;
    expect(await resident.tell('tunnel', { to: 'allowed.test:443', proxy })).toBe('200 from outside');
    expect(await resident.tell('tunnel', { to: 'deep.sub.test:443', proxy })).toBe('200 from outside');
    expect(await resident.tell('get', { url: 'http://allowed.test/path?a=1', proxy })).toBe(
      '200 web allowed.test /path?a=1',
    );
    for (const to of [
      'sub.test:443',
      'else.test:443',
      `${address}:443`,
      '[::1]:443',
      'rebound.test:443',
      'loop.test:80',
    ]) {
      expect(await resident.tell('tunnel', { to, proxy }), to).toMatch(/^403 /);
    }
    expect(await resident.tell('get', { url: `http://${address}/`, proxy })).toMatch(/^403 .*allowOut/);
    expect(refusals).toContain('else.test:443');
    expect(await reach(resident, address)).toMatch(refused);
    // A sandbox that was promised no names has no use of the proxy.
    const other = await create(closed);
    expect(await other.resident.tell('tunnel', { to: 'allowed.test:443', proxy })).toMatch(/^403 /);
  });

  test('has room at the proxy for a limited number of connections, and again when they have ended', async () => {
    const policy = { internet: false, allowOut: ['allowed.test'], denyOut: [] };
    const [greedy, modest] = await Promise.all([create(policy), create(policy)]);
    const proxy = greedy.network.environment.http_proxy ?? '';
    const { hostname, port } = new URL(proxy);
    expect(await greedy.resident.tell('hoard', { host: hostname, port, count: 200 })).toBe('128');
    expect(await modest.resident.tell('tunnel', { to: 'allowed.test:443', proxy })).toBe('200 from outside');
    expect(await greedy.resident.tell('tunnel', { to: 'allowed.test:443', proxy })).not.toMatch(/^200/);
    await greedy.resident.tell('release');
    await expect
      .poll(() => greedy.resident.tell('tunnel', { to: 'allowed.test:443', proxy }), { timeout: 30_000 })
      .toBe('200 from outside');
  });

  test('sends from no address but its own, even as its administrator', async () => {
    const { network, resident } = await create(open);
    const forged = linkAddresses(0, 4_000).inner;
    run('nsenter', '', `--net=${network.netns}`, 'ip', 'address', 'add', `${forged}/32`, 'dev', 'eth0');
    expect(await reach(resident, internet.addresses.open)).toBe('from outside');
    expect(await reach(resident, internet.addresses.open, 443, forged)).toBe('timeout');
  });

  test.each([
    [{ ...open, allowOut: ['not a name'] }, /allowOut: "not a name"/],
    [{ ...open, allowOut: ['2001:db8::1'] }, /no IPv4 address/],
    [{ ...open, denyOut: ['bad.test'] }, /names can only be allowed/],
    [{ ...open, denyOut: ['1.2.3.4/33'] }, /denyOut/],
    [{ ...open, denyOut: Array.from({ length: 257 }, () => '1.2.3.4') }, /more than 256/],
  ])('refuses rules that cannot be enforced (%#)', async (policy, message) => {
    await expect(networks.open('refused', { policy, onRefused: () => {} })).rejects.toThrow(message);
  });

  test('leaves nothing behind', async () => {
    const own = await mkdtemp(join(tmpdir(), 'network-'));
    const all = await SandboxNetworks.open(own, { logger: console });
    const some = await Promise.all(
      Array.from({ length: 20 }, (_, i) => all.open(`some${i}`, { policy: open, onRefused: () => {} })),
    );
    await Promise.all(some.map(({ ready }) => ready));
    const traces = tracesOf(some[0]);
    expect(traces.length).toBeGreaterThanOrEqual(41);
    expect(traces).toContainEqual(expect.stringMatching(/^sandpiper-\d+ \d+$/));
    await Promise.all(some.map((network) => network.close()));
    await all.close();
    expect(stillThere(traces)).toEqual([]);
    await rm(own, { recursive: true });
  });

  test('of a dead host belongs to the host that takes it over or to the one that removes it, never to both', async () => {
    const dead = spawn('true');
    await once(dead, 'exit');
    const [, namespace] = ownerTag().split('-');
    for (let round = 0; round < 8; round++) {
      // A block no host takes by itself: they begin with the lowest.
      const left = 500;
      run(
        'nft',
        `add table inet sandpiper-${left}\nadd chain inet sandpiper-${left} owner-${dead.pid}-${namespace}-1\n`,
        '-f',
        '-',
      );
      const [claimed] = await Promise.all([claimBlock(left), releaseOrphans()]);
      expect(run('nft', '', 'list', 'tables')).toMatch(new RegExp(`sandpiper-${claimed}\\b`));
      await releaseBlock(claimed);
    }
  });

  test('of a dead host has no address of the host left, and those of living hosts and of others stay', async () => {
    // Blocks no host takes by itself: they begin with the lowest.
    const [orphan, lives, others] = [503, 504, 505].map(serviceAddress) as [string, string, string];
    const ip = (...args: string[]): string => run('ip', '', ...args);
    const here = (): string[] =>
      [orphan, lives, others].filter((address) =>
        ip('address', 'show', 'dev', 'lo').includes(`${address}/32`),
      );
    ip('address', 'add', `${orphan}/32`, 'dev', 'lo', 'label', 'lo:sandpiper');
    ip('address', 'add', `${lives}/32`, 'dev', 'lo', 'label', 'lo:sandpiper');
    ip('address', 'add', `${others}/32`, 'dev', 'lo');
    const server = createServer().listen(0, lives);
    await once(server, 'listening');
    try {
      await releaseOrphans();
      // Any other host of this machine may be at it, too.
      await expect.poll(here).toEqual([lives, others]);
      await expect.poll(() => run('nft', '', 'list', 'tables')).not.toContain('sandpiper-503');
    } finally {
      server.close();
      for (const address of here()) ip('address', 'delete', `${address}/32`, 'dev', 'lo');
    }
  });

  describe('after its host was killed', () => {
    let left: SandboxNetwork | undefined;
    let own: string;
    let resident: Resident | undefined;

    /** Lets a host of the directory `own` open networks named `kept` and `other`, and kills it. */
    async function leave(): Promise<void> {
      own = await mkdtemp(join(tmpdir(), 'network-'));
      const { outputFiles } = await build({
        loader: textLoader,
        stdin: {
          contents: `import { SandboxNetworks } from './sandbox-networks.js';
            const networks = await SandboxNetworks.open(${JSON.stringify(own)}, { logger: console });
            const options = { policy: { internet: false, allowOut: ['allowed.test'], denyOut: [] }, onRefused() {} };
            const [kept, other] = await Promise.all(['kept', 'other'].map((id) => networks.open(id, options)));
            await Promise.all([kept.ready, other.ready]);
            console.log(JSON.stringify(kept));
            setInterval(() => {}, 1000);`,
          resolveDir: fileURLToPath(new URL('../src/network', import.meta.url)),
        },
        bundle: true,
        write: false,
        platform: 'node',
        format: 'esm',
      });
      const child = spawn(process.execPath, ['--input-type=module', '-'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(outputFiles[0]?.text);
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      left = JSON.parse(line.toString()) as SandboxNetwork;
      resident = Resident.in(left.netns);
      expect(await resident.tell('listen', { host: '127.0.0.1', port: 8080, says: 'still here' })).toBe(
        '8080',
      );
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    afterEach(async () => {
      await resident?.end();
      await rm(own, { recursive: true });
    });

    test('stays while somebody lives in it, and is taken over by the next host of the directory', async () => {
      await leave();
      const stranger = await mkdtemp(join(tmpdir(), 'network-'));
      await (await SandboxNetworks.open(stranger, { logger: console })).close();
      await rm(stranger, { recursive: true });
      const next = await SandboxNetworks.open(own, { logger: console });
      const policy: NetworkPolicy = { internet: false, allowOut: ['allowed.test'], denyOut: [] };
      const options = { policy, onRefused: () => {} };
      const network = await next.attach('kept', options);
      if (!network || !resident) throw new Error('There is nothing to take over.');
      expect(network.netns).toBe(left?.netns);
      expect(await host.tell('connect', { host: network.address, port: 8080 })).toBe('still here');
      // What its programs were told of the proxy still holds.
      expect(network.environment).toEqual(left?.environment);
      const { http_proxy: proxy } = network.environment;
      expect(await resident.tell('tunnel', { to: 'allowed.test:443', proxy })).toBe('200 from outside');
      expect(await next.attach('never', options)).toBe(undefined);
      await next.keepOnly(['kept']);
      expect(await next.attach('other', options)).toBe(undefined);
      const traces = tracesOf(left);
      await resident.end();
      await network.close();
      await next.close();
      expect(stillThere(traces)).toEqual([]);
    });

    test('is removed by any other host when nobody lives in it', async () => {
      await leave();
      const traces = tracesOf(left);
      expect(traces).not.toEqual([]);
      await resident?.end();
      const stranger = await mkdtemp(join(tmpdir(), 'network-'));
      await (await SandboxNetworks.open(stranger, { logger: console })).close();
      // Any other host of this machine may be at it, too.
      await expect.poll(() => stillThere(traces), { timeout: 30_000 }).toEqual([]);
      await rm(stranger, { recursive: true });
    });
  });
});

/** What there is on the machine of the host that made a network. */
function tracesOf(network: SandboxNetwork | undefined): string[] {
  return tracesOfBlock(/sandpiper-(\d+)-/.exec(network?.netns ?? '')?.[1]);
}
