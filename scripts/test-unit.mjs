// npm run test:unit: the tests that start no process, server or host, in under half a minute. Arguments go to vitest.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './run.mjs';
import { setUp } from './setup.mjs';

/** What starts one, in the text of a test: Node's own modules, and helpers of ours. */
const starts =
  /child_process|worker_threads|node:(http|net|tls)'|spawn|createSandboxHost|openEngine|serveAgent|startAgent|\.run\(\{|listen\(|-host\.js'|esbuild|tsup|test\/support\/|perl/;

const files = readdirSync(join(root, 'packages'), { recursive: true })
  .map((name) => `packages/${name.replaceAll('\\', '/')}`)
  .filter((name) => /^packages\/[\w-]+\/src\/.*\.test\.ts$/.test(name))
  .filter((name) => !starts.test(readFileSync(join(root, name), 'utf8')));

await setUp();
process.env.SANDPIPER_TESTS = 'unit';
await run(
  process.execPath,
  'node_modules/vitest/vitest.mjs',
  'run',
  '--no-isolate',
  ...files,
  ...process.argv.slice(2),
);
