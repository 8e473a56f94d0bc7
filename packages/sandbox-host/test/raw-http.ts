import { connect } from 'node:net';
import { Sandbox } from 'e2b';
import { expect, vi } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';

/** Writes bytes as they are and collects what comes back, until the connection ends or that is enough. */
export function exchange(
  origin: string,
  bytes: string,
  isEnough: (received: string) => boolean = () => false,
): Promise<string> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'));
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      received += text;
      if (isEnough(received)) socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(received));
  });
}

/** The head of a request, from its line and its headers. */
export function headOf(line: string, headers: Record<string, string> | string[]): string {
  const lines = Array.isArray(headers)
    ? headers
    : Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[line, ...lines].join('\r\n')}\r\n\r\n`;
}

/** The headers that lead to a port of a sandbox. */
export function addressOf(sandbox: Sandbox, port = 8080): Record<string, string> {
  return { host: 'a', 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': String(port) };
}

/** A host without walls, for a test of what lies before them, and a sandbox whose server has said `up`. */
export async function hostServing(program: string): Promise<{ host: SandboxHost; sandbox: Sandbox }> {
  const host = await createSandboxHost({ isolation: 'none' });
  try {
    const { apiUrl, sandboxUrl, apiKey } = host;
    const sandbox = await Sandbox.create({ apiUrl, sandboxUrl, apiKey, timeoutMs: 600_000 });
    await serve(sandbox, program);
    return { host, sandbox };
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Runs a server in a sandbox and waits until it says `up`. */
export async function serve(sandbox: Sandbox, program: string): Promise<void> {
  await sandbox.files.write('server.js', program);
  let output = '';
  const onStdout = (text: string): void => {
    output += text;
  };
  await sandbox.commands.run('node server.js', { background: true, timeoutMs: 0, onStdout });
  await vi.waitFor(() => expect(output).toContain('up\n'), 30_000);
}
