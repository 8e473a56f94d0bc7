import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describeContract } from './contract.js';
import { findRuntime, startServer } from './runtime.js';

const config = `
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "agent", worker = .agent)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "agent")],
);

const agent :Workerd.Worker = (
  modules = [(name = "agent", esModule = embed "agent.js")],
  compatibilityDate = "2026-11-01",
);
`;

// Workers are deployed as one file, so the agent is bundled first, as Cloudflare's tools do.
describeContract('workerd', findRuntime('@cloudflare', 'bin/workerd'), async (program) => {
  const folder = await mkdtemp(join(tmpdir(), 'sandpiper-worker-'));
  await build({
    entryPoints: [fileURLToPath(new URL('agent.ts', import.meta.url))],
    outfile: join(folder, 'agent.js'),
    bundle: true,
    format: 'esm',
    target: 'es2023',
    external: ['node:*'],
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'error',
  });
  await writeFile(join(folder, 'config.capnp'), config);
  const server = await startServer(
    program,
    ['serve', join(folder, 'config.capnp'), '--control-fd=1'],
    /"port":(\d+)/,
  );
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
});
