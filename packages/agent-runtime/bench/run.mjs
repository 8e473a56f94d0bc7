// The processor time that a server spends on one request and on one streamed value: ours beside its peers, as ratios
// to node:http. Server and load generator are pinned to different cores where `taskset` exists.
// `--soak [--seconds 600] [--readers 1000]` measures what ours holds in memory instead.
import { fork, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { barChart } from './chart.mjs';
import { load } from './load.mjs';
import { slowReaders, soak } from './memory.mjs';
import { preparePeers } from './prepare-peers.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const seconds = Number(process.env.BENCH_SECONDS ?? 0.5);
const rounds = Number(process.env.BENCH_ROUNDS ?? 15);
const valuesInStream = 2000;

const servers = [
  { name: 'node:http', file: 'node-http' },
  { name: '@sandpiper/agent-runtime', file: 'sandpiper' },
  { name: 'hono', file: 'hono' },
  { name: 'fastify', file: 'fastify' },
  { name: 'bedrock-agentcore', file: 'agentcore' },
];
const { values: options } = parseArgs({
  options: {
    soak: { type: 'boolean' },
    seconds: { type: 'string', default: '600' },
    readers: { type: 'string', default: '1000' },
  },
});
const only = process.env.BENCH_ONLY?.split(',');

const echo = JSON.stringify({ prompt: 'What is the weather in Oslo?', data: { days: 3, units: 'metric' } });
const stream = JSON.stringify({ values: valuesInStream });
// The AgentCore SDK wants a session, and streams only to those that accept events.
const common = { 'x-amzn-bedrock-agentcore-runtime-session-id': 'a-session-of-the-benchmark-0123456789' };
const events = { ...common, accept: 'text/event-stream' };
const scenarios = [
  { name: 'JSON echo', unit: 'request', body: echo, headers: common, connections: 16, per: 1 },
  {
    name: 'streamed value',
    unit: 'value',
    body: stream,
    headers: events,
    connections: 4,
    per: valuesInStream,
  },
  {
    name: 'resumable streamed value',
    unit: 'value',
    body: stream,
    connections: 4,
    per: valuesInStream,
    headers: { ...events, 'x-stream-protocol': 'resumable-1' },
    only: ['node-http', 'sandpiper'],
  },
];

const pinned =
  process.platform === 'linux' && cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;
if (pinned) spawnSync('taskset', ['-cp', '1', String(process.pid)]);

const machine = `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} cores${pinned ? ', pinned' : ''}`;
const running = [];
try {
  await (options.soak ? measureMemory() : measureSpeed());
} finally {
  for (const { child } of running) child.kill();
}

async function measureSpeed() {
  await preparePeers();
  for (const { name, file } of servers) {
    if (!only || only.includes(file)) await addServer(file, name);
  }
  const results = [];
  for (const scenario of scenarios) results.push(await measure(scenario));
  await report(results);
}

async function addServer(file, name) {
  const server = { name, file, ...(await startServer(file)) };
  running.push(server);
  return server;
}

async function startServer(file) {
  const child = fork(here('server.mjs'), [`./servers/${file}.mjs`], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const { port } = await nextMessage(child);
  if (pinned) spawnSync('taskset', ['-acp', '0', String(child.pid)]);
  const usage = () => {
    child.send('usage');
    return nextMessage(child);
  };
  return { child, port, usage };
}

/** Rounds go around all servers, so that what else the machine does falls on each alike. */
async function measure(scenario) {
  const { name, unit, body, headers, connections, per } = scenario;
  const taking = running.filter(({ file }) => !scenario.only || scenario.only.includes(file));
  const costs = new Map(taking.map((server) => [server, []]));
  for (let round = -1; round < rounds; round++) {
    for (const server of taking) {
      const before = await cpuOf(server);
      const answered = await load({ port: server.port, body, headers, connections, ms: seconds * 1000 });
      // The first round warms up.
      if (round >= 0) costs.get(server).push(((await cpuOf(server)) - before) / (answered * per));
    }
  }
  // What the machine does besides only adds: the quickest quarter of the rounds is nearest to the true cost.
  const micros = (server) => lowerQuartile(costs.get(server));
  const floor = micros(taking[0]);
  return {
    name,
    unit,
    servers: taking.map((server) => ({
      name: server.name,
      cpuMicros: round(micros(server)),
      ratio: round(micros(server) / floor),
    })),
  };
}

async function cpuOf({ usage }) {
  return (await usage()).cpuMicros;
}

function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const died = (code) => reject(new Error(`A server ended with ${code}.`));
    child.once('exit', died);
    child.once('message', (message) => {
      child.off('exit', died);
      resolve(message);
    });
  });
}

/** What ours holds in memory: flat under mixed load for minutes, and bounded under readers that do not read. */
async function measureMemory() {
  const seconds = Number(options.seconds);
  const mixedLoad = await soak(await addServer('sandpiper'), seconds);
  console.log('\nResident size under mixed load on 64 connections', mixedLoad);
  const slow = await slowReaders(
    await addServer('sandpiper'),
    Number(options.readers),
    Math.min(seconds, 60),
  );
  console.log('\nResident size under readers that do not read', slow);
  await writeResult('runtime-memory.json', `${JSON.stringify({ machine, mixedLoad, slow }, undefined, 2)}\n`);
}

async function report(results) {
  for (const { name, unit, servers } of results) {
    console.log(`\n${name}: processor time of the server per ${unit}`);
    const rows = servers.map((server) => ({ ...server, µs: server.cpuMicros, '× node:http': server.ratio }));
    console.table(rows, ['name', 'µs', '× node:http']);
  }
  if (only) return;
  await writeResult('runtime.json', `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
  await writeResult('runtime.svg', barChart(results, machine));
}

async function writeResult(name, text) {
  const out = new URL('../../../docs/bench/', import.meta.url);
  await mkdir(out, { recursive: true });
  await writeFile(new URL(name, out), text);
  console.log(`Written to docs/bench/${name}`);
}

function lowerQuartile(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 4)];
}

function round(number) {
  return Math.round(number * 100) / 100;
}
