// What the host costs: its gateway, commands, files and cold starts, each beside the same thing without the host, in
// turns within one run; its pools; and how it does with hundreds of live agents.
import { fork } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Sandbox } from 'e2b';
import { drawBars } from '../../agent-runtime/bench/chart.mjs';
import { measureColdStart } from './measures/cold-start.mjs';
import { measureCommands } from './measures/commands.mjs';
import { measureFiles } from './measures/files.mjs';
import { measurePool } from './measures/pool.mjs';
import { measureRequests } from './measures/requests.mjs';
import { measureScale } from './measures/scale.mjs';
import { measureStreams } from './measures/streams.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const seconds = Number(process.env.BENCH_SECONDS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 10);
const measures = {
  requests: measureRequests,
  streams: measureStreams,
  commands: measureCommands,
  files: measureFiles,
  coldStart: measureColdStart,
  pool: measurePool,
  scale: measureScale,
};
const only = process.env.BENCH_ONLY?.split(',');

// What else the machine does is part of the result, and is said with it.
const machine = `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} cores for callers, host and servers together, load ${loadavg()[0].toFixed(1)} before the run`;
const children = [];
try {
  const host = await start('host.mjs');
  const server = await start('server.cjs', { BENCH_PORT: '0' });
  const proxy = await start('proxy.mjs', { BENCH_UPSTREAM: server.ready.origin });
  const { apiUrl, sandboxUrl, apiKey } = host.ready;
  const connection = { apiUrl, sandboxUrl, apiKey };
  const sandbox = await Sandbox.create({ ...connection, timeoutMs: 3_600_000 });
  await sandbox.files.write('server.cjs', await readFile(here('server.cjs'), 'utf8'));
  await sandbox.commands.run('node server.cjs', { background: true, timeoutMs: 0 });
  const context = {
    connection,
    sandbox,
    seconds,
    rounds,
    direct: { origin: server.ready.origin, headers: {} },
    proxy: { origin: proxy.ready.origin, headers: {}, usage: proxy.usage },
    gateway: {
      origin: sandboxUrl,
      headers: { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' },
    },
    usage: host.usage,
    directUsage: server.usage,
    start,
    startHost: (env) => start('host.mjs', env),
    machine,
    writeResults: !only,
  };
  const results = [];
  for (const [name, measure] of Object.entries(measures)) {
    if (only && !only.includes(name)) continue;
    for (const result of await measure(context)) {
      results.push(result);
      print(result);
    }
  }
  if (!only) await write(results);
} finally {
  await Promise.all(children.map(end));
}

async function start(file, env = {}) {
  const child = fork(here(file), { env: { ...process.env, ...env } });
  children.push(child);
  const ready = await nextMessage(child);
  const usage = () => {
    child.send('usage');
    return nextMessage(child);
  };
  return { ready, usage };
}

function end(child) {
  return new Promise((resolve) => {
    child.once('exit', resolve);
    child.disconnect();
  });
}

function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const died = (code) => reject(new Error(`A process of the benchmark ended with ${code}.`));
    child.once('exit', died);
    child.once('message', (message) => {
      child.off('exit', died);
      resolve(message);
    });
  });
}

function print({ name, unit, target, rows, note }) {
  console.log(`\n${name} (target: ${target})`);
  console.table(rows.map(({ value, ...row }) => ({ ...row, [unit]: value })));
  console.log(note);
}

async function write(results) {
  const out = new URL('../../../docs/bench/', import.meta.url);
  await mkdir(out, { recursive: true });
  await writeFile(new URL('host.json', out), `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
  const groups = results.map(({ name, unit, rows, note }) => ({
    title: `${name}, ${unit} (${note})`,
    bars: rows.map((row, index) => ({
      ...row,
      label: `${row.value} ${unit}`,
      highlighted: index > 0 && !row.baseline,
    })),
  }));
  await writeFile(new URL('host.svg', out), drawBars(groups, machine));
  console.log(`\n${machine}\nWritten to docs/bench/host.json and docs/bench/host.svg`);
}
