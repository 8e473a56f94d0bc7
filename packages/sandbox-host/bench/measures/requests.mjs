import { load } from '../load.mjs';
import { quantile, round } from '../statistics.mjs';

const connections = 10;

/** Small requests through the gateway, through a bare proxy and straight to the same server, in turns. */
export async function measureRequests({ direct, proxy, gateway, usage, seconds, rounds }) {
  const ways = [
    { name: 'node:http, direct', baseline: true, ...direct },
    { name: '@sandpiper gateway', ...gateway, usage },
    { name: 'a bare proxy of node:http', baseline: true, ...proxy },
  ].map((way) => ({ ...way, took: [], perSecond: [], cpuMs: 0 }));
  for (let turn = -1; turn < rounds; turn++) {
    for (const way of ways) {
      const before = (await way.usage?.())?.cpuMs;
      const took = await load({ ...way, path: '/small', connections, ms: seconds * 1000 });
      // The first turn warms up.
      if (turn < 0) continue;
      way.perSecond.push(took.length / seconds);
      way.took.push(quantile(took, 0.5));
      if (way.usage) way.cpuMs += ((await way.usage()).cpuMs - before) / took.length / rounds;
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
      rows: ways.map(({ name, baseline, perSecond }) => ({
        name,
        baseline,
        value: Math.round(quantile(perSecond, 0.75)),
      })),
      note: `processor time per request: the host ${round(ways[1].cpuMs * 1000, 0)} µs, the bare proxy ${round(ways[2].cpuMs * 1000, 0)} µs`,
    },
    {
      name: `Small requests, ${connections} connections, p50`,
      unit: 'ms',
      better: 'lower',
      target: 'added ≤ 0.6 ms',
      rows: ways.map(({ name, baseline }, index) => ({ name, baseline, value: round(p50[index], 3) })),
      note: `added: ${added} ms; by the bare proxy ${round(p50[2] - p50[0])} ms`,
    },
  ];
}
