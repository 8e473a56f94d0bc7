import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { networkObstacle, unless } from '@sandpiper/sandbox-engine/testing/machine';
import { build } from 'esbuild';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textLoader } from '../../../scripts/text-files.js';
import { Resident, run } from '../src/testing/network-namespaces.js';

/** A machine of its own, as far as its network goes, with a neighbour, a server and a sandbox behind it. */
const names = { machine: 'm', neighbour: 'n', server: 's', sandbox: 'b' };
type Name = keyof typeof names;
const namespace = (name: Name): string => `forwarding-${process.pid}-${names[name]}`;
/** The link to each, and the addresses at its two ends. */
const links = [
  ['neighbour', 'eth7', '192.0.2.0', '192.0.2.1'],
  ['server', 'eth8', '192.0.2.2', '192.0.2.3'],
  ['sandbox', 'sand9-1', '192.0.2.4', '192.0.2.5'],
] as const;

const obstacle = (() => {
  try {
    accessSync('/proc/sys/net/ipv4/ip_forward', constants.W_OK);
    return networkObstacle;
  } catch {
    return "the kernel's settings cannot be written";
  }
})();

describe.skipIf(obstacle)(`forwarding on a machine that does not${unless(obstacle)}`, () => {
  let script: string;
  let residents: Record<'neighbour' | 'server' | 'sandbox', Resident>;

  beforeAll(async () => {
    const { outputFiles } = await build({
      loader: textLoader,
      stdin: {
        contents: `import * as forwarding from './forwarding.js';
          await forwarding[process.argv[2]]();`,
        resolveDir: fileURLToPath(new URL('../src/network', import.meta.url)),
      },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
    });
    script = outputFiles[0]?.text ?? '';
  });
  beforeEach(() => {
    const commands = Object.keys(names).map((name) => `netns add ${namespace(name as Name)}`);
    for (const [name, link, outer, inner] of links) {
      const [here, there] = [namespace('machine'), namespace(name)];
      commands.push(
        `link add ${link} netns ${here} type veth peer name eth0 netns ${there}`,
        `-netns ${here} address add ${outer}/31 dev ${link}`,
        `-netns ${here} link set ${link} up`,
        `-netns ${there} address add ${inner}/31 dev eth0`,
        `-netns ${there} link set eth0 up`,
        `-netns ${there} route add default via ${outer}`,
      );
    }
    for (const command of commands) run('ip', '', ...command.split(' '));
    inMachine('sh', '', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward');
    const of = (name: Name): Resident => Resident.in(`/run/netns/${namespace(name)}`);
    residents = { neighbour: of('neighbour'), server: of('server'), sandbox: of('sandbox') };
  });
  afterEach(async () => {
    await Promise.all(Object.values(residents).map((one) => one.end()));
    for (const name of Object.keys(names)) run('ip', '', 'netns', 'delete', namespace(name as Name));
  });

  /** Runs a tool where the machine's network is its own, as /sys shows it, too. */
  const inMachine = (tool: string, input: string, ...args: string[]): string =>
    run('ip', input, 'netns', 'exec', namespace('machine'), tool, ...args);
  const call = (what: string): string =>
    inMachine(process.execPath, script, '--input-type=module', '-', what);
  const setting = (): string => inMachine('cat', '', '/proc/sys/net/ipv4/ip_forward').trim();
  const reach = (name: 'neighbour' | 'sandbox', from: string): Promise<string> =>
    residents[name].tell('connect', { host: '192.0.2.3', port: 80, from });

  test('is turned on for sandboxes and not for the neighbours of the machine, and off again', async () => {
    await residents.server.tell('listen', { host: '0.0.0.0', port: 80, says: 'here' });
    call('checkForwarding');
    call('enableForwarding');
    call('enableForwarding');
    expect(setting()).toBe('1');
    expect(await residents.sandbox.tell('connect', { host: '192.0.2.3', port: 80 })).toBe('here');
    expect(await reach('neighbour', '192.0.2.1')).toBe('timeout');
    // It is the guard that keeps the neighbour out.
    inMachine('nft', 'flush chain inet sandpiper through_host\n', '-f', '-');
    expect(await residents.neighbour.tell('connect', { host: '192.0.2.3', port: 80 })).toBe('here');
    call('restoreForwarding');
    expect([setting(), inMachine('nft', '', 'list', 'tables')]).toEqual(['0', '']);
  });

  test('stays on where it was on before', () => {
    inMachine('sh', '', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    call('enableForwarding');
    expect(inMachine('nft', '', 'list', 'tables')).toBe('');
    call('restoreForwarding');
    expect(setting()).toBe('1');
  });

  test('stays on as long as another host has sandboxes', () => {
    call('enableForwarding');
    inMachine('nft', 'add table inet sandpiper-3\nadd chain inet sandpiper-3 through_host\n', '-f', '-');
    call('restoreForwarding');
    expect(setting()).toBe('1');
    inMachine('nft', 'delete table inet sandpiper-3\n', '-f', '-');
    call('restoreForwarding');
    expect(setting()).toBe('0');
  });

  test('that cannot be turned on is said before a sandbox needs it', () => {
    const readOnly = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"';
    const check = () =>
      inMachine(
        'unshare',
        script,
        '--mount',
        'sh',
        '-c',
        readOnly,
        'sh',
        process.execPath,
        '--input-type=module',
        '-',
        'checkForwarding',
      );
    expect(check).toThrow(/net\.ipv4\.ip_forward is 0 and cannot be written/);
    inMachine('sh', '', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    check();
  });
});
