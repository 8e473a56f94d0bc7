import { readFile, writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';

/** The host's own settings, and those that systemd-resolved stands in front of. */
const sources = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/**
 * Writes a resolv.conf(5) for sandboxes: the host's, but for servers on its loopback, which no sandbox reaches.
 *
 * @returns the servers that remain.
 */
export async function writeResolvConf(file: string): Promise<string[]> {
  const texts = await Promise.all(sources.map((source) => readFile(source, 'utf8').catch(() => '')));
  const usable = texts.find((text) => nameserversOf(text).length > 0) ?? '';
  const servers = nameserversOf(usable);
  const rest = usable.split('\n').filter((line) => /^(search|domain|options)\s/.test(line));
  await writeFile(file, [...servers.map((server) => `nameserver ${server}`), ...rest, ''].join('\n'));
  return servers;
}

function nameserversOf(text: string): string[] {
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)]
    .map(([, server = '']) => server)
    .filter((server) => isIPv4(server) && !server.startsWith('127.'));
}
