import { request } from 'node:http';
import { quantile, round } from '../statistics.mjs';

/** How long a chunk of a stream takes from the agent's write to the caller, with and without the gateway. */
export async function measureStreams({ direct, gateway, rounds }) {
  const ways = [
    { name: 'node:http, direct', ...direct, delays: [] },
    { name: '@sandpiper gateway', ...gateway, delays: [] },
  ];
  for (let turn = 0; turn < rounds; turn++) {
    for (const way of ways) way.delays.push(...(await delays(way)));
  }
  const rows = ways.map(({ name, delays: all }) => ({
    name,
    value: round(quantile(all, 0.5), 3),
    p99: round(quantile(all, 0.99), 3),
  }));
  return [
    {
      name: 'A streamed chunk, from write to read, p50',
      unit: 'ms',
      better: 'lower',
      target: 'no waiting for more',
      rows,
      note: `added: ${round(rows[1].value - rows[0].value, 3)} ms`,
    },
  ];
}

function delays({ origin, headers }) {
  return new Promise((resolve, reject) => {
    const found = [];
    const sent = request(`${origin}/ticks?count=100`, { headers, agent: false }, (response) => {
      response.setEncoding('latin1');
      response.on('data', (text) => {
        const now = process.hrtime.bigint();
        for (const line of text.trim().split('\n')) found.push(Number(now - BigInt(line)) / 1e6);
      });
      response.once('end', () => resolve(found));
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end();
  });
}
