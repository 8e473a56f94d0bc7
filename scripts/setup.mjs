// Installs and builds what is not installed and built yet; does nothing, quickly, when all of it is.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pnpm, root } from './run.mjs';

/** What an installation depends on, and what a build depends on besides. */
const manifests = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...workspaceFiles(/^package\.json$/)];
const sources = () => [
  'tsconfig.base.json',
  'examples/tsup.agent.ts',
  ...workspaceFiles(/^(src|tsup\.config\.ts|tsconfig\.json|package\.json)$/),
];

export async function setUp() {
  checkNode();
  await once('install', manifests, () => pnpm('install', '--frozen-lockfile'));
  await once(
    'build',
    sources(),
    () => pnpm('--recursive', '--workspace-concurrency=2', 'run', 'build'),
    builds(),
  );
}

/** Runs a step unless it ran before on the very same files and what it makes is still there. */
async function once(step, files, run, makes = []) {
  const record = join(root, 'node_modules', `.sandpiper-${step}`);
  const hash = createHash('sha256');
  for (const file of files.toSorted())
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)));
  const now = hash.digest('hex');
  const before = existsSync(record) ? readFileSync(record, 'utf8') : '';
  if (before === now && makes.every((path) => existsSync(join(root, path)))) return;
  console.log(`\n▸ ${step} (only when something changed)`);
  await run();
  writeFileSync(record, now);
}

/** The workspace's packages and examples, as paths from the root. */
function workspaces() {
  return ['packages', 'examples'].flatMap((group) =>
    readdirSync(join(root, group), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(root, group, entry.name, 'package.json')))
      .map((entry) => `${group}/${entry.name}`),
  );
}

/** Files of each workspace whose first path segment matches, tests aside. */
function workspaceFiles(pattern) {
  return workspaces().flatMap((workspace) =>
    readdirSync(join(root, workspace))
      .filter((name) => pattern.test(name))
      .flatMap((name) => filesBelow(`${workspace}/${name}`)),
  );
}

function filesBelow(path) {
  const below = join(root, path);
  try {
    return readdirSync(below, { withFileTypes: true })
      .filter((entry) => !/\.test\.ts$/.test(entry.name))
      .flatMap((entry) =>
        entry.isDirectory() ? filesBelow(`${path}/${entry.name}`) : [`${path}/${entry.name}`],
      );
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path];
    throw error;
  }
}

function builds() {
  return workspaces()
    .filter(
      (workspace) => JSON.parse(readFileSync(join(root, workspace, 'package.json'), 'utf8')).scripts?.build,
    )
    .map((workspace) => `${workspace}/dist`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major === 20 ? minor >= 18 : major >= 22) return;
  console.error(`Sandpiper needs Node 20.18.1 or later of 20, or 22 and later; this is ${process.version}.`);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await setUp();
