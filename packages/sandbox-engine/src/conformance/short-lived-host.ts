import type { StartEngine } from '../testing/engine-fixture.js';

/** What a process does that has an engine and is there to be killed. */
export interface Orders {
  directory: string;
  /** Of the one sandbox it starts. */
  id: string;
  freeze: boolean;
  commands: { script: string; label: string; stdin: boolean; terminal: boolean }[];
}

/** The whole program: starts a sandbox and commands in it, as its first argument says, and waits to be killed. */
export async function beShortLivedHost(startEngine: StartEngine): Promise<void> {
  const orders = JSON.parse(process.argv[2] ?? '') as Orders;
  const engine = await startEngine(orders.directory);
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
  process.stdout.write('ready\n');
  setInterval(() => {}, 60_000);
}
