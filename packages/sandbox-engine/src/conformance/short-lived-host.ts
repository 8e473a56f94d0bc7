// An engine whose sandboxes outlive it, in a process that is there to be killed: starts one with what the test asks for.
import { openEngine } from '../../src/host/open-engine.js';

interface Orders {
  directory: string;
  id: string;
  freeze: boolean;
  commands: { script: string; label: string; stdin: boolean; terminal: boolean }[];
}

const orders = JSON.parse(process.argv[2] ?? '') as Orders;
const engine = await openEngine({ logger: console, directory: orders.directory, keepSandboxes: true });
const sandbox = await engine.start(orders.id, engine.baseImage, {
  limits: { cpuCount: 1, memoryMB: 256 },
  network: { internet: true, allowOut: [], denyOut: [] },
});
for (const { script, label, stdin, terminal } of orders.commands) {
  await sandbox.exec({
    cmd: '/bin/bash',
    args: ['-c', script],
    env: { PATH: '/usr/bin:/bin', TERM: 'xterm' },
    cwd: '/home/user',
    user: 'user',
    stdin,
    terminal: terminal ? { cols: 80, rows: 24 } : undefined,
    label,
  });
}
if (orders.freeze) await sandbox.freeze();
console.log('ready');
// Until it is killed.
setInterval(() => {}, 60_000);
