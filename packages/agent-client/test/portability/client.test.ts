import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRuntime, type Runtime } from '../../../agent-runtime/test/portability/runtime.js';
import { faultyProxy } from '../support/faulty-proxy.js';
import {
  agentMetadata,
  bundleAgent,
  commandsAgent,
  startPlatform,
  type TestPlatform,
} from '../support/platform.js';

const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url));
let platform: TestPlatform;
let folder = '';

beforeAll(async () => {
  platform = await startPlatform();
  const content = await bundleAgent(commandsAgent);
  await platform.deploy('commands', { file: 'agent.mjs', content, metadata: agentMetadata('agent.mjs') });
  // Among the package's own modules, so that each runtime finds the dependencies as it does in a project.
  await mkdir(join(modules, '.portability'), { recursive: true });
  folder = await mkdtemp(join(modules, '.portability', 'run-'));
  await build({
    entryPoints: [fileURLToPath(new URL('program.ts', import.meta.url))],
    outfile: join(folder, 'program.mjs'),
    alias: {
      '@sandpiper/protocol': fileURLToPath(new URL('../../../protocol/src/index.ts', import.meta.url)),
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['e2b', 'undici', 'zod', 'eventsource-parser', '@opentelemetry/api'],
  });
}, 120_000);

afterAll(async () => {
  await platform?.host.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const runtimes: [name: string, runtime: Runtime, args: readonly string[]][] = [
  ['Node', { program: process.execPath }, []],
  ['Bun', findRuntime('@oven', 'bin/bun'), ['run']],
  [
    'Deno',
    findRuntime('@deno', 'deno'),
    ['run', '--allow-env', '--allow-read', '--allow-net=127.0.0.1,localhost', '--no-prompt'],
  ],
];

describe.each(runtimes)('a backend on %s', (name, runtime, args) => {
  const reason = 'reason' in runtime ? runtime.reason : '';

  test.skipIf(reason)(
    `calls, streams, resumes what was cut, and ends what it leaves${reason && ` (${reason})`}`,
    async () => {
      if (!('program' in runtime)) throw new Error(reason);
      const { apiKey, apiUrl, sandboxUrl } = platform.host;
      let connections = 0;
      const proxy = await faultyProxy(Number(new URL(sandboxUrl).port), () => {
        connections += 1;
        return connections % 3 === 0 ? { kind: 'cut', afterBytes: 900, reset: false } : { kind: 'none' };
      });
      const { stdout } = await promisify(execFile)(runtime.program, [...args, join(folder, 'program.mjs')], {
        cwd: folder,
        timeout: 55_000,
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          NO_COLOR: '1',
          E2B_API_KEY: apiKey,
          E2B_API_URL: apiUrl,
          E2B_SANDBOX_URL: proxy.origin,
        },
      });
      expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual({
        whole: { prompt: 'hello' },
        values: [1, 2, 3],
        failed: ['failed', 'TypeError'],
        aborted: 'Error: enough',
        late: 'call_timeout',
        resumed: 200,
        interrupted: false,
        status: 'paused',
        runs: 7,
        left: 0,
      });
      expect(connections, name).toBeGreaterThan(1);
    },
  );
});
