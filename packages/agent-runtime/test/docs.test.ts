import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, onTestFinished, test } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const page = await readFile(here('../../../docs/runtime.md'), 'utf8');
const programs = Array.from(page.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs), ([, name, code]) => ({
  name,
  code,
}));

/** What each program of the page says first of what it is there to show. */
const shows: Record<string, RegExp> = {
  'agent.ts': /^listening on \d+/,
  'forecast.ts': /city: 'Oslo',\s+days: 3.*error_type: 'ValidationError'/s,
  'stream.ts': /data: \{"word":"to"\}\n\ndata: \{"word":"be"\}/,
  'resume.ts': /\[ 'a' \] \[ 'b', 'c' \] done 1/,
  'background.ts': /result: 'started'.*indexed|indexed.*result: 'started'/s,
  'pool.ts': /^bound sbx-1 \[ 'MODEL_KEY' \] \{ team: 'red' \}\n204 .*sbx-1 has k/s,
  'web.ts': /^7 weather/,
};

describe('docs/runtime.md', () => {
  test('has the programs that are run here', () => {
    expect(programs.map(({ name }) => name)).toEqual(Object.keys(shows));
    expect(page.match(/```ts\n/g)).toHaveLength(programs.length);
  });

  test.each(programs)('$name does what the page says', async ({ name = '', code = '' }) => {
    // Below the package, so that what it depends on is found.
    await mkdir(here('../node_modules/.docs'), { recursive: true });
    const folder = await mkdtemp(here('../node_modules/.docs/'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, name), code);
    await build({
      entryPoints: [join(folder, name)],
      outfile: join(folder, 'program.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
      external: ['prom-client', 'ws', 'jose'],
      alias: {
        '@sandpiper/agent-runtime/testing': here('../src/testing.ts'),
        '@sandpiper/agent-runtime': here('../src/index.ts'),
      },
    });
    const child = spawn(process.execPath, [join(folder, 'program.mjs')], {
      env: { ...process.env, AGENT_RUNTIME_PORT: '0', AGENT_RUNTIME_HOST: '127.0.0.1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let output = '';
    child.stdout.on('data', (data) => {
      output += String(data);
    });
    await expect.poll(() => output, { timeout: 45_000 }).toMatch(shows[name] ?? /^$/);
    child.kill('SIGTERM');
    // One that listens closes; one that does not has ended, or is ended by the signal.
    expect([0, null]).toContain(await exit);
  });
});
