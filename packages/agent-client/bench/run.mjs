// What a call and a streamed event cost the caller's process: ours beside what one would wire by hand, and beside
// OpenAI's reader. Client and server are pinned to different cores where `taskset` exists.
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { barChart } from '../../agent-runtime/bench/chart.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const rounds = Number(process.env.BENCH_ROUNDS ?? 30);

const scenarios = [
  {
    name: 'small invoke',
    unit: 'call',
    size: 500,
    subjects: {
      'undici.request + JSON.parse': 'invoke: undici.request + JSON.parse',
      '@sandpiper/agent-client': 'invoke: agent-client',
      'fetch + json()': 'invoke: fetch',
    },
  },
  {
    name: 'streamed event',
    unit: 'event',
    // Long enough that opening the stream, and a heap that has just been cleared, cost next to nothing.
    size: 60_000,
    subjects: {
      'undici + eventsource-parser': 'stream: undici + eventsource-parser by hand',
      'the same, of numbered events': 'stream: the same, of numbered events',
      '@sandpiper/agent-client': 'stream: agent-client',
      openai: 'stream: openai',
    },
  },
];
/** How many rounds' work each subject does before the first that counts. */
const warmUp = 10;

const pinned =
  process.platform === 'linux' && cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;
const server = forkOn(1, 'server.mjs');
try {
  const [port] = await once(server, 'message');
  const results = [];
  for (const scenario of scenarios) results.push(await measure(scenario, String(port)));
  const limits = [];
  for (const name of ['limits: a stream of 1 GiB', 'limits: 1,000 streams at once']) {
    limits.push((await once(forkOn(0, 'subject.mjs', name, String(port)), 'message'))[0]);
  }
  await report(results, limits);
} finally {
  server.disconnect();
}

/**
 * The subjects live side by side, each in a process of its own, and take short turns: what else the machine does in a
 * round falls on each alike. A subject's ratio is the median of its rounds', each to the first subject's in that round.
 */
async function measure({ name, unit, size, subjects }, port) {
  const contestants = Object.entries(subjects).map(([label, subject]) => ({
    label,
    process: forkOn(0, 'subject.mjs', subject, port),
    cpuUs: [],
  }));
  try {
    for (const { process } of contestants) await turn(process, size * warmUp);
    for (let round = 0; round < rounds; round += 1) {
      for (const { process, cpuUs } of contestants) cpuUs.push(await turn(process, size));
    }
  } finally {
    for (const { process } of contestants) process.disconnect();
  }
  const floor = contestants[0].cpuUs;
  return {
    name,
    unit,
    servers: contestants.map(({ label, cpuUs }) => ({
      name: label,
      cpuMicros: rounded(median(cpuUs)),
      ratio: rounded(median(cpuUs.map((cost, round) => cost / floor[round]))),
    })),
  };
}

/** Has a subject do so much. @returns what a unit of it cost, in microseconds of processor time. */
async function turn(process, size) {
  process.send(size);
  const [cpuUs] = await once(process, 'message');
  return cpuUs;
}

function forkOn(core, file, ...args) {
  const child = fork(here(file), args, { execArgv: ['--expose-gc'] });
  if (pinned) spawnSync('taskset', ['-acp', String(core), String(child.pid)]);
  return child;
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
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
