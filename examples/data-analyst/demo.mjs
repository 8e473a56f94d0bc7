// The data analyst from deployment to its second answer, on this machine, in a real sandbox.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentRuntimeClient } from '@sandpiper/agent-client';
import { createSandboxHost } from '@sandpiper/sandbox-host';
import { cpuMs } from '../processes.mjs';
import { deploy } from './deploy.mjs';
import { show } from './show.mjs';

/** Runs the demo. @returns {Promise<number>} The process's exit code. */
export async function demo() {
  const stop = new AbortController();
  let exitCode = 0;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.once(signal, () => {
      exitCode = code;
      stop.abort();
    });
  }

  // Whatever anything here writes, it writes below this folder.
  const folder = await mkdtemp(join(tmpdir(), 'sandpiper-demo-'));
  process.env.TMPDIR = folder;
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const step = (text) => console.log(`\n▸ ${text}  (${seconds()})`);

  const host = await createSandboxHost({ dataDir: join(folder, 'host') });
  // Without its host everything that is under way fails soon; only then is nothing written any more.
  stop.signal.addEventListener('abort', () => host.close().catch(console.error));
  try {
    await converse(host, step, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.log('\nStopped.');
  } finally {
    await host.close();
    await rm(folder, { recursive: true, force: true });
  }
  if (exitCode === 0) step('Done: no process and no file is left');
  return exitCode;
}

async function converse(host, step, signal) {
  step(`A sandbox host listens on ${host.apiUrl}`);
  const { apiKey, apiUrl, sandboxUrl } = host;

  step('Deploying examples/data-analyst as a template');
  await deploy('data-analyst', { apiKey, apiUrl, signal });

  const client = new AgentRuntimeClient({ apiKey, apiUrl, sandboxUrl });
  try {
    step('Creating a session: a sandbox of its own, with the agent in it');
    const session = await client.createSession('data-analyst', { signal });

    const file = createRequire(import.meta.url).resolve('@observablehq/sample-datasets/weather.csv');
    const question = 'What is the average maximum temperature in Seattle by month?';
    step(`Sending weather.csv and asking: ${question}`);
    const data = { name: 'weather.csv', content: await readFile(file, 'utf8') };
    for await (const finding of session.stream({ prompt: question, data }, { signal })) show(finding);

    step(`Pausing the sandbox, whose processes used ${await cpuMs()} ms of CPU so far`);
    await session.pause();
    const before = await cpuMs();
    await sleep(1000, undefined, { signal });
    const after = await cpuMs();
    console.log(`  it is ${await session.getStatus()}; it used ${after - before} ms of CPU in one second`);

    step('Resuming it');
    await session.resume();
    const followUp = 'And in New York?';
    step(`Asking: ${followUp}  Only an agent that remembers the file and the first question can answer`);
    for await (const finding of session.stream(followUp, { signal })) show(finding);

    step('Closing the session');
    await session.close();
  } finally {
    await client.close();
  }
}
