import { readFile } from 'node:fs/promises';

/** Addresses that connections to the loopback reach, as /proc spells them: any, 127.0.0.1, and the same in IPv6. */
const reached = new Set(['00000000', '0100007F', '0'.repeat(32), `${'0'.repeat(16)}FFFF00000100007F`]);

/** Whether anything in the network of a process accepts connections to a port (proc(5), net/tcp). */
export async function isListening(pid: number, port: number): Promise<boolean> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => '')),
  );
  return tables.some((table) =>
    table.split('\n').some((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      const [address = '', listens] = local.split(':');
      // 0A is TCP_LISTEN.
      return state === '0A' && listens === wanted && reached.has(address);
    }),
  );
}
