// Looks at the packages as they would be published: packed, checked, and used by a new project that knows
// only the README.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './run.mjs';
import { setUp } from './setup.mjs';

const run = promisify(execFile);
const published = ['agent-runtime', 'agent-client', 'sandbox-host'];
const bin = (name) => join(root, 'node_modules/.bin', name);

await setUp();
const folder = await mkdtemp(join(tmpdir(), 'sandpiper-packages-'));
try {
  for (const name of published) {
    const path = join(root, 'packages', name);
    await step(`publint ${name}`, bin('publint'), [path, '--strict']);
    await step(`attw ${name}`, bin('attw'), ['--pack', path]);
    await step(`pack ${name}`, 'npm', ['pack', path, '--pack-destination', folder]);
  }
  const tarballs = (await readdir(folder)).filter((file) => /agent-(runtime|client)-/.test(file));
  for (const type of ['module', 'commonjs']) {
    const project = join(folder, type);
    await mkdir(project);
    await writeProject(project, type);
    await step(
      `a new ${type} project installs the pair`,
      'npm',
      [
        'install',
        '--no-audit',
        '--no-fund',
        ...tarballs.map((file) => join(folder, file)),
        'typescript@6',
        '@types/node@20',
      ],
      project,
    );
    await step('its types hold', 'npx', ['tsc'], project);
    await step('its backend talks to its agent', process.execPath, [
      join(root, 'scripts/try-readme.mjs'),
      project,
    ]);
  }
  console.log('The packages are as they should be.');
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** The README's two programs, in a project as `npm init` and `tsc --init` make it. */
async function writeProject(project, type) {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  for (const file of ['agent.ts', 'backend.ts']) {
    const program = new RegExp(`\`\`\`ts\\n// ${file}\\n(.*?)\`\`\``, 's').exec(readme)?.[1];
    if (program === undefined) throw new Error(`The README has no program that begins with "// ${file}".`);
    await writeFile(join(project, file), program);
  }
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'newcomer', private: true, type }));
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { target: 'es2023', module: 'node16', strict: true, types: ['node'], outDir: 'dist' },
    }),
  );
}

async function step(what, command, args, cwd = root) {
  process.stdout.write(`${what} … `);
  try {
    await run(command, args, { cwd, maxBuffer: 2 ** 26 });
    console.log('ok');
  } catch (error) {
    console.log(`failed\n${error.stdout ?? ''}${error.stderr ?? error}`);
    throw new Error(`${what}: failed`);
  }
}
