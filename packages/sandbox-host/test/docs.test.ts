import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'tsup';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { textLoader } from '../../../scripts/text-files.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const pages = await Promise.all(
  ['../../../docs/host.md', '../README.md'].map((path) => readFile(here(path), 'utf8')),
);
const programs = [...pages.join('').matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);
const answers = [/^hello from /, /^pong$/m, /^(enforced|absent)$/m, /^hello from /];

let folder: string;
beforeAll(async () => {
  // Below the package, so that what the programs import is found.
  folder = await mkdtemp(here('../node_modules/.docs-'));
  await build({
    loader: textLoader,
    entry: { host: here('../src/index.ts') },
    outDir: folder,
    format: 'cjs',
    target: 'node20',
    config: false,
    silent: true,
  });
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(programs.map((code, index) => [index, code] as const))(
  'program %i of docs/host.md and the README runs as it stands',
  async (index, code) => {
    const file = join(folder, `program-${index}.mjs`);
    await writeFile(file, code.replace("'@sandpiper/sandbox-host'", "'./host.cjs'"));
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 60_000 });
    expect(stdout).toMatch(answers[index] ?? /nothing/);
  },
  90_000,
);
