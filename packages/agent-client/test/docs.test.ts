import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleAgent, startPlatform, type TestPlatform } from './support/platform.js';

const run = promisify(execFile);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const page = await readFile(here('../../../docs/client.md'), 'utf8');
const [agent = '', deploy = '', ...programs] = [...page.matchAll(/```ts\n(.*?)```/gs)].map(
  ([, code = '']) => code,
);
const source = {
  '@sandpiper/agent-client/ai-sdk': here('../src/integrations/ai-sdk/index.ts'),
  '@sandpiper/agent-client/openai': here('../src/integrations/openai/index.ts'),
  '@sandpiper/agent-client': here('../src/index.ts'),
  '@sandpiper/agent-runtime': here('../../agent-runtime/src/index.ts'),
};

let platform: TestPlatform;
let folder: string;

beforeAll(async () => {
  platform = await startPlatform();
  // Below the package, so that what the programs import is found.
  folder = await mkdtemp(here('../node_modules/.docs-'));
  await Promise.all(programs.map((code, index) => writeFile(join(folder, `program-${index}.ts`), code)));
  await writeFile(join(folder, 'agent.ts'), agent);
  await writeFile(join(folder, 'deploy.ts'), deploy);
  // The page's own way to deploy takes an installed project: scripts/check-packages.mjs goes it.
  const content = await bundleAgent(join(folder, 'agent.ts'));
  await platform.deploy('my-agent', { file: 'agent.mjs', content, startCmd: 'node agent.mjs' });
}, 120_000);
afterAll(() => platform?.host.close());

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the programs of docs/client.md', () => {
  test('are well typed', async () => {
    const options = {
      extends: here('../../../tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        isolatedDeclarations: false,
        paths: Object.fromEntries(Object.entries(source).map(([name, path]) => [name, [path]])),
      },
      include: ['*.ts'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(options));
    const { stdout } = await run(
      process.execPath,
      [here('../../../node_modules/typescript/bin/tsc'), '-p', folder],
      {
        maxBuffer: 1 << 24,
      },
    ).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  }, 120_000);

  test.each(
    programs.map((code, index) => [index, code.split('\n').find((line) => line.includes('client.')) ?? '']),
  )(
    'run: %i %s',
    async (index) => {
      const { apiKey, apiUrl, sandboxUrl } = platform.host;
      const file = join(folder, `program-${index}.mjs`);
      await build({
        entryPoints: [join(folder, `program-${index}.ts`)],
        outfile: file,
        alias: source,
        bundle: true,
        packages: 'external',
        format: 'esm',
        platform: 'node',
        target: 'node20',
      });
      const { stderr } = await run(process.execPath, [file], {
        env: { ...process.env, E2B_API_KEY: apiKey, E2B_API_URL: apiUrl, E2B_SANDBOX_URL: sandboxUrl },
        timeout: 60_000,
      });
      expect(stderr).toBe('');
    },
    90_000,
  );

  test('leave no sandbox', async () => {
    const client = platform.client();
    expect(await client.listSessions()).toEqual([]);
    await client.close();
  });
});
