// Looks at the packages as they would be published: packed, checked, and used by a new project that knows
// only the README.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { changedReports } from './api-reports.mjs';
import { missingValues } from './declared-values.mjs';
import { root } from './run.mjs';
import { setUp } from './setup.mjs';

const run = promisify(execFile);
const pair = ['agent-runtime', 'agent-client'];
const published = [...pair, 'sandbox-host'];
const bin = (name) => join(root, 'node_modules/.bin', name);

await setUp();
const folder = await mkdtemp(join(tmpdir(), 'sandpiper-packages-'));
try {
  const tarballs = [];
  for (const name of published) {
    const path = join(root, 'packages', name);
    const missing = await missingValues(path);
    if (missing.length > 0) throw new Error(`${name}: ${missing.join('; ')}`);
    console.log(`${name}: what is declared is there … ok`);
    const changed = await changedReports(path);
    if (changed.length > 0)
      throw new Error(`${changed.join('\n')}\n\`npm run api:update\` writes the reports.`);
    console.log(`${name}: its public API is the reviewed one … ok`);
    await step(`${name}: publint`, bin('publint'), [path, '--strict', '--pack', 'npm']);
    const packed = await step(`${name}: npm pack`, 'npm', [
      'pack',
      path,
      '--json',
      '--pack-destination',
      folder,
    ]);
    const tarball = join(folder, JSON.parse(packed)[0].filename);
    // Node 10's resolution knows no entry points below a package; nothing that we support uses it.
    await step(`${name}: attw`, bin('attw'), [tarball, '--profile', 'node16']);
    if (pair.includes(name)) tarballs.push(tarball);
  }
  for (const type of ['module', 'commonjs']) {
    const project = join(folder, type);
    await mkdir(project);
    await writeProject(project, type);
    await step(
      `a new ${type} project installs the pair`,
      'npm',
      ['install', '--no-audit', '--no-fund', ...tarballs, 'typescript@6', '@types/node@20'],
      project,
    );
    await step('its types hold', 'npx', ['tsc'], project);
    await step('its backend talks to its agent', process.execPath, [
      join(root, 'scripts/try-readme.mjs'),
      project,
    ]);
  }
  const follower = join(folder, 'client-page');
  await mkdir(follower);
  const needed = await writeClientPage(follower);
  const packed = (name) => tarballs.find((path) => path.includes(name.replace('@', '').replace('/', '-')));
  await step(
    'a new project installs what docs/client.md says',
    'npm',
    ['install', '--no-audit', '--no-fund', ...needed.map((name) => packed(name) ?? name)],
    follower,
  );
  await step('its types hold', 'npx', ['tsc'], follower);
  await step('it follows the page from top to bottom', process.execPath, [
    join(root, 'scripts/try-client-page.mjs'),
    follower,
  ]);
  console.log('The packages are as they should be.');
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** The README's programs, in a project as `npm init` and `tsc --init` make it. */
async function writeProject(project, type) {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]);
  const [agent, backend, ...others] = blocks;
  if (!agent?.startsWith('// agent.ts') || !backend?.startsWith('// backend.ts')) {
    throw new Error('The README should open with agent.ts and backend.ts.');
  }
  for (const name of pair) {
    const own = await readFile(join(root, 'packages', name, 'README.md'), 'utf8');
    for (const [, program] of own.matchAll(/```ts\n(.*?)```/gs)) {
      if (!blocks.some((block) => block.endsWith(program))) {
        throw new Error(`The program in the README of ${name} should be that of the README.`);
      }
    }
  }
  // The shorter ones go on where one of the two programs stands.
  const end = '  await client.closeAllSessions();';
  const sessions = others.filter((block) => block.includes('session.')).join('');
  const apps = others.filter((block) => block.includes('app.')).join('');
  await writeFile(join(project, 'agent.ts'), agent);
  await writeFile(join(project, 'backend.ts'), backend.replace(end, sessions + end));
  await writeFile(join(project, 'checked.ts'), agent + apps);
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'newcomer', private: true, type }));
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { target: 'es2023', module: 'node16', strict: true, types: ['node'], outDir: 'dist' },
    }),
  );
}

/**
 * The programs of docs/client.md, each in a file of its own, in the order of the page.
 *
 * @returns {Promise<string[]>} What the page has its reader install.
 */
async function writeClientPage(project) {
  const page = await readFile(join(root, 'docs/client.md'), 'utf8');
  const programs = [...page.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]);
  for (const [index, code] of programs.entries()) {
    const name = /^\/\/ (\w+\.ts)/.exec(code)?.[1] ?? `program-${String(index).padStart(2, '0')}.ts`;
    await writeFile(join(project, name), code);
  }
  await writeFile(join(project, 'tsconfig.json'), /```json\n(.*?)```/s.exec(page)[1]);
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({ name: 'follower', private: true, type: 'module' }),
  );
  return [...page.matchAll(/npm install (?:--save-dev )?([^\n`)]+)/g)].flatMap((match) =>
    match[1].split(' '),
  );
}

async function step(what, command, args, cwd = root) {
  process.stdout.write(`${what} … `);
  try {
    const { stdout } = await run(command, args, { cwd, maxBuffer: 2 ** 26 });
    console.log('ok');
    return stdout;
  } catch (error) {
    console.log(`failed\n${error.stdout ?? ''}${error.stderr ?? error}`);
    throw new Error(`${what}: failed`);
  }
}
