import { writeFile } from 'node:fs/promises';
import { buildAgentTemplate } from '../agent-template.mjs';
import { drawLines } from '../line-chart.mjs';
import { quantile, round } from '../statistics.mjs';

const steps = (process.env.BENCH_SCALE ?? '10,50,100,200,300').split(',').map(Number);
/** How many are put to sleep, once all are there. */
const sleepers = 20;
/** What an agent that has been at work for a while may hold. */
const dataMB = 40;
const quietMs = 5_000;

/** How the host does with more and more live agents, and what sleeping ones cost. */
export async function measureScale({ startHost, machine, writeResults }) {
  const host = await startHost({ BENCH_SWAP_MB: '4096' });
  const { apiUrl, sandboxUrl, apiKey } = host.ready;
  const connection = { apiUrl, sandboxUrl, apiKey };
  const call = async (method, path, body) => {
    const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };
    const response = await fetch(apiUrl + path, { method, headers, body: body && JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  };
  const ping = async (id) => {
    const startedAt = performance.now();
    const headers = { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '8080' };
    const response = await fetch(`${sandboxUrl}/ping`, { headers });
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`${id} answered ${response.status}`);
    return performance.now() - startedAt;
  };
  await buildAgentTemplate('bench-scale', connection);
  const { rssBytes: bareBytes } = await host.usage();
  const ids = [];
  const took = { create: [], request: [], memory: [], processor: [] };
  for (const count of steps) {
    const created = await createUntil(count);
    // Everybody answers, one after the other; the first answer opens a connection.
    for (const id of ids) await ping(id);
    const answers = [];
    for (const id of ids) answers.push(await ping(id));
    const before = await host.usage();
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    const after = await host.usage();
    const add = (series, value) => series.push({ x: count, value });
    add(took.create, round(quantile(created, 0.5), 0));
    add(took.request, round(quantile(answers, 0.5)));
    add(took.memory, round((after.rssBytes - bareBytes) / count / 2 ** 20));
    add(took.processor, round((after.cpuMs - before.cpuMs) / (quietMs / 1000) / count, 3));
  }
  const sleep = await measureSleep();
  const charts = [
    { title: 'Create, 4 at a time, p50, ms', unit: 'ms', points: took.create },
    {
      title: 'A request for /ping after the first, one at a time, p50, ms',
      unit: 'ms',
      points: took.request,
    },
    { title: "The host's own memory for each sandbox, MB", unit: 'MB', points: took.memory },
    {
      title: "The host's own processor time for each idle sandbox, ms a second",
      unit: 'ms/s',
      points: took.processor,
    },
  ];
  if (writeResults) {
    const out = new URL('../../../../docs/bench/host-scale.svg', import.meta.url);
    await writeFile(out, drawLines(charts, `Live agents on one host. ${machine}`));
  }
  const growth = charts.map(({ title, unit, points }) => ({
    name: `Live agents: ${title.slice(0, title.lastIndexOf(','))}`,
    unit,
    better: 'lower',
    target: 'all answer',
    rows: points.map(({ x, value }) => ({ name: `${x} live agents`, value })),
    note: `from ${steps[0]} to ${steps.at(-1)} sandboxes`,
  }));
  return [...growth, ...sleep];

  function create(asked) {
    const common = { templateID: 'bench-scale', timeout: 3_600, autoResume: { enabled: true } };
    return call('POST', '/v2/sandboxes', { ...common, ...asked });
  }

  async function createUntil(count) {
    const created = [];
    const one = async () => {
      while (ids.length + pending < count) {
        pending += 1;
        const startedAt = performance.now();
        const { sandboxID } = await create();
        created.push(performance.now() - startedAt);
        pending -= 1;
        ids.push(sandboxID);
      }
    };
    let pending = 0;
    await Promise.all(Array.from({ length: 4 }, one));
    return created;
  }

  async function measureSleep() {
    const withData = await createWithData(sleepers);
    return [
      await measureSleepOf(
        ids.slice(0, sleepers),
        `Sleeping agents (${sleepers} of ${ids.length + sleepers})`,
      ),
      await measureSleepOf(withData, `Sleeping agents with ${dataMB} MB of data each`),
    ];
  }

  async function createWithData(count) {
    const made = [];
    while (made.length < count) {
      const envVars = { BENCH_DATA_MB: String(dataMB) };
      const { sandboxID } = await create({ envVars });
      await ping(sandboxID);
      made.push(sandboxID);
    }
    return made;
  }

  async function measureSleepOf(chosen, name) {
    const used = async (id) => {
      const samples = await call('GET', `/sandboxes/${id}/metrics`);
      return samples.at(-1);
    };
    const sum = (values, field) => values.reduce((total, one) => total + one[field], 0);
    const awake = await Promise.all(chosen.map(used));
    for (const id of chosen) await call('POST', `/sandboxes/${id}/pause`);
    await Promise.all(chosen.map(used));
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    const paused = await Promise.all(chosen.map(used));
    const rows = [
      { name: 'paused: processor, % of one', value: round(sum(paused, 'cpuUsedPct') / chosen.length) },
    ];
    const notes = [];
    try {
      for (const id of chosen) await call('POST', `/x/sandboxes/${id}/hibernate`);
      const asleep = await Promise.all(chosen.map(used));
      const woke = [];
      for (const id of chosen) woke.push(await ping(id));
      const share = 1 - sum(asleep, 'memUsed') / sum(awake, 'memUsed');
      const mean = (values) => round(sum(values, 'memUsed') / chosen.length / 2 ** 20, 1);
      rows.push(
        { name: 'hibernated: memory given back, %', value: round(share * 100, 1) },
        { name: 'woken by a request, p50, ms', value: round(quantile(woke, 0.5), 0) },
        { name: 'woken by a request, p95, ms', value: round(quantile(woke, 0.95), 0) },
      );
      notes.push(
        `awake ${mean(awake)} MB each, asleep ${mean(asleep)} MB, what the kernel keeps for it included`,
      );
    } catch (error) {
      notes.push(`no hibernation here: ${error.message}`);
    }
    return {
      name,
      unit: '',
      better: 'lower',
      target: 'no processor time; ≥ 95 % of memory back; awake within 300 ms, p95',
      rows,
      note: notes.join('; '),
    };
  }
}
