import type { EngineSandbox } from '../engine.js';
import { searchPath } from '../testing/engine-fixture.js';

/** Runs a server in a sandbox: a script for Node.js. It ends with the sandbox. */
export async function startServer(sandbox: EngineSandbox, server: string): Promise<void> {
  const child = await sandbox.exec({
    cmd: '/bin/bash',
    args: ['-c', 'exec node -e "$SERVER"'],
    env: { PATH: searchPath, HOME: '/home/user', SERVER: server },
    cwd: '/',
    user: 'user',
    stdin: false,
  });
  child.stdout.resume();
  child.stderr.resume();
}

/** What a server in a sandbox says, or why nothing does. */
export async function ask(sandbox: EngineSandbox, port: number): Promise<string> {
  const endpoint = await sandbox.dial(port);
  if (!endpoint) return 'nothing listens';
  return fetch(`http://${endpoint.host}:${endpoint.port}/`).then((response) => response.text(), String);
}
