import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Sandbox } from 'e2b';
import { quantile, round } from '../statistics.mjs';

/**
 * `commands.run('true')` by the SDK, beside a process that is started here, and beside the same call of a bare server
 * that spawns what it is asked for: the least that any host in Node.js takes.
 */
export async function measureCommands({ connection, sandbox, rounds, start }) {
  const bare = await start('command-server.mjs');
  const unboxed = new Sandbox({ ...connection, ...bare.ready, sandboxId: 'none', envdVersion: '0.6.4' });
  const ways = [
    { name: "spawn('true')", baseline: true, run: () => once(spawn('true'), 'close') },
    {
      name: "commands.run('true') of a bare server that spawns it, without a sandbox",
      baseline: true,
      run: () => unboxed.commands.run('true'),
    },
    { name: "commands.run('true')", run: () => sandbox.commands.run('true') },
  ].map((way) => ({ ...way, took: [] }));
  for (let turn = -10; turn < rounds * 5; turn++) {
    for (const { run, took } of ways) {
      const startedAt = performance.now();
      await run();
      if (turn >= 0) took.push(performance.now() - startedAt);
    }
  }
  const rows = ways.map(({ name, baseline, took }) => ({
    name,
    baseline,
    value: round(quantile(took, 0.5)),
  }));
  const [spawned, least, ours] = rows.map(({ value }) => value);
  return [
    {
      name: 'A command, from call to result, p50',
      unit: 'ms',
      better: 'lower',
      target: '≤ 2 × a bare spawn',
      rows,
      note: `${round(ours / spawned, 1)} × a spawn, of which the SDK, HTTP and bash take ${round(least / spawned, 1)} ×`,
    },
  ];
}
