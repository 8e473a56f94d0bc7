import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sandbox, Template, waitForURL } from 'e2b';
import { build } from 'esbuild';
import { quantile, round } from '../statistics.mjs';

/** From the wish for a sandbox to its agent's first answer, beside the same agent started by itself. */
export async function measureColdStart({ connection, gateway, rounds }) {
  const folder = await mkdtemp(join(tmpdir(), 'sandpiper-bench-agent-'));
  try {
    await writeFile(join(folder, 'agent.mjs'), await bundle());
    const template = Template({ fileContextPath: folder })
      .fromTemplate('base')
      .copy('agent.mjs', 'agent.mjs')
      .setStartCmd('node agent.mjs', waitForURL('http://localhost:8080/ping', 200));
    await Template.build(template, 'bench-agent', connection);
    const ways = [
      { name: 'the agent by itself', run: () => bareStart(folder), took: [] },
      { name: 'Sandbox.create', run: () => coldCreate(connection, gateway), took: [] },
    ];
    for (let turn = -1; turn < rounds; turn++) {
      for (const { run, took } of ways) {
        const ms = await run();
        if (turn >= 0) took.push(ms);
      }
    }
    const rows = ways.map(({ name, took }) => ({ name, value: round(quantile(took, 0.5), 0) }));
    return [
      {
        name: 'Cold start to the first /ping, p50',
        unit: 'ms',
        better: 'lower',
        target: '≤ 1.3 × the bare start',
        rows,
        note: `${round(rows[1].value / rows[0].value)} ×`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function coldCreate(connection, { origin, headers }) {
  const startedAt = performance.now();
  const sandbox = await Sandbox.create('bench-agent', connection);
  await untilPing(`${origin}/ping`, { ...headers, 'e2b-sandbox-id': sandbox.sandboxId });
  const took = performance.now() - startedAt;
  await sandbox.kill();
  return took;
}

async function bareStart(folder) {
  const port = await freePort();
  const startedAt = performance.now();
  const env = { PATH: process.env.PATH, PORT: String(port) };
  const child = spawn(process.execPath, ['agent.mjs'], { cwd: folder, env, stdio: 'ignore' });
  await untilPing(`http://127.0.0.1:${port}/ping`, {});
  const took = performance.now() - startedAt;
  child.kill('SIGKILL');
  return took;
}

async function untilPing(url, headers) {
  for (;;) {
    const response = await fetch(url, { headers }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../agent.mjs', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return outputFiles[0].text;
}
