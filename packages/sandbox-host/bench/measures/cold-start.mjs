import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { Sandbox } from 'e2b';
import { buildAgentTemplate, untilPing, withAgentFolder } from '../agent-template.mjs';
import { quantile, round } from '../statistics.mjs';

/** From the wish for a sandbox to its agent's first answer, beside the same agent started by itself. */
export async function measureColdStart({ connection, gateway, rounds }) {
  await buildAgentTemplate('bench-agent', connection);
  return withAgentFolder(async (folder) => {
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
  });
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

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
