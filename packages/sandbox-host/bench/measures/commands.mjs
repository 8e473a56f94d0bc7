import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { quantile, round } from '../statistics.mjs';

/** `commands.run('true')` by the SDK, beside a process that is started here. */
export async function measureCommands({ sandbox, rounds }) {
  const ways = [
    { name: "spawn('true')", run: () => once(spawn('true'), 'close'), took: [] },
    { name: "commands.run('true')", run: () => sandbox.commands.run('true'), took: [] },
  ];
  for (let turn = -3; turn < rounds * 5; turn++) {
    for (const { run, took } of ways) {
      const startedAt = performance.now();
      await run();
      if (turn >= 0) took.push(performance.now() - startedAt);
    }
  }
  const rows = ways.map(({ name, took }) => ({ name, value: round(quantile(took, 0.5)) }));
  return [
    {
      name: 'A command, from call to result, p50',
      unit: 'ms',
      better: 'lower',
      target: '≤ 2 × a bare spawn',
      rows,
      note: `${round(rows[1].value / rows[0].value, 1)} ×`,
    },
  ];
}
