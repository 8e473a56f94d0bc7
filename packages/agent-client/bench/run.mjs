// What a call and a streamed event cost the caller's process: ours beside what one would wire by hand, and beside
// OpenAI's reader. Client and server are pinned to different cores where `taskset` exists.
import { execFileSync, fork, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { barChart } from '../../agent-runtime/bench/chart.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const rounds = Number(process.env.BENCH_ROUNDS ?? 9);

const scenarios = [
  {
    name: 'small invoke',
    unit: 'call',
    size: 8_000,
    subjects: {
      'undici.request + JSON.parse': 'invoke: undici.request + JSON.parse',
      '@sandpiper/agent-client': 'invoke: agent-client',
      'fetch + json()': 'invoke: fetch',
    },
  },
  {
    name: 'streamed event',
    unit: 'event',
    size: 200_000,
    subjects: {
      'undici + eventsource-parser': 'stream: undici + eventsource-parser by hand',
      '@sandpiper/agent-client': 'stream: agent-client',
      openai: 'stream: openai',
    },
  },
];

const pinned =
  process.platform === 'linux' && cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;
const server = fork(here('server.mjs'));
try {
  const port = await new Promise((resolve) => server.once('message', resolve));
  if (pinned) spawnSync('taskset', ['-acp', '1', String(server.pid)]);
  const results = scenarios.map((scenario) => measure(scenario, port));
  const limits = [run('limits: a stream of 1 GiB', port, 0), run('limits: 1,000 streams at once', port, 0)];
  await report(results, limits);
} finally {
  server.disconnect();
}

/** Rounds go around all subjects, so that what else the machine does falls on each alike. */
function measure({ name, unit, size, subjects }, port) {
  const costs = Object.entries(subjects).map(([label, subject]) => ({ label, subject, cpuUs: [] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const cost of costs) cost.cpuUs.push(run(cost.subject, port, size).cpuUs);
  }
  // What the machine does besides only adds: the quickest quarter of the rounds is nearest to the true cost.
  const quartile = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 4)];
  const floor = quartile(costs[0].cpuUs);
  return {
    name,
    unit,
    servers: costs.map(({ label, cpuUs }) => ({
      name: label,
      cpuMicros: rounded(quartile(cpuUs)),
      ratio: rounded(quartile(cpuUs) / floor),
    })),
  };
}

function run(subject, port, size) {
  const node = [process.execPath, '--expose-gc', here('subject.mjs'), subject, String(port), String(size)];
  const [command, ...args] = pinned ? ['taskset', '-c', '0', ...node] : node;
  return JSON.parse(execFileSync(command, args, { encoding: 'utf8' }));
}

async function report(results, limits) {
  for (const { name, unit, servers } of results) {
    console.log(`\n${name}: processor time of the client per ${unit}`);
    console.table(
      servers.map((subject) => ({ name: subject.name, µs: subject.cpuMicros, ratio: subject.ratio })),
      ['name', 'µs', 'ratio'],
    );
  }
  console.table(limits);
  const machine = `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} cores${pinned ? ', pinned' : ''}`;
  const out = new URL('../../../docs/bench/', import.meta.url);
  await mkdir(out, { recursive: true });
  await writeFile(
    new URL('client.json', out),
    `${JSON.stringify({ machine, results, limits }, undefined, 2)}\n`,
  );
  await writeFile(new URL('client.svg', out), barChart(results, machine));
  console.log(`\n${machine}\nWritten to docs/bench/client.json and docs/bench/client.svg`);
}

function rounded(number) {
  return Math.round(number * 100) / 100;
}
