import { constants } from 'node:fs';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Endpoint } from '../../engine.js';

/**
 * Finds where a port of a sandbox is that shares the host's network: by what the port scripts announced, else by
 * a listening socket that a process of this very sandbox holds. A port of anybody else's is never answered with.
 */
export async function dialPort(
  directory: string,
  port: number,
  pids: () => Promise<number[]>,
): Promise<Endpoint | undefined> {
  const announced = await readAnnouncement(join(directory, String(port)));
  if (announced) return { host: '127.0.0.1', port: announced };
  const sockets = await listeningSockets(port);
  if (sockets.size === 0) return undefined;
  for (const pid of await pids()) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      const host = sockets.get(target);
      if (host) return { host, port };
    }
  }
  return undefined;
}

async function readAnnouncement(file: string): Promise<number | undefined> {
  // What lies there is the sandbox's own: it may be a link or a pipe, neither of which is to be followed.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(32), 0, 32, null);
    const port = Number.parseInt(buffer.toString('utf8', 0, bytesRead), 10);
    return port > 0 && port < 65_536 ? port : undefined;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Sockets that listen on a port, as /proc names them, each with the loopback address that reaches it. */
async function listeningSockets(port: number): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  for (const [table, host] of [
    ['/proc/net/tcp', '127.0.0.1'],
    ['/proc/net/tcp6', '::1'],
  ] as const) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      // 0A is TCP_LISTEN; the tenth field is the socket's inode.
      if (fields[3] === '0A' && fields[1]?.endsWith(`:${hexPort}`)) found.set(`socket:[${fields[9]}]`, host);
    }
  }
  return found;
}
