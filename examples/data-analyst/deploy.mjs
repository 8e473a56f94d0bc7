import { cp, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Template } from 'e2b';

const here = fileURLToPath(new URL('.', import.meta.url));

// Answers 0 once the agent does. E2B's own waitForPort needs `ss`, which a small machine may lack.
const isReady = `node -e "fetch('http://localhost:8080/ping').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"`;

/**
 * Makes a template of the built agent, on any platform that speaks E2B's API.
 *
 * @param {string} name - The template's alias; sessions are created by it.
 * @param {{ apiKey: string, apiUrl?: string, domain?: string, signal?: AbortSignal }} platform
 */
export async function deploy(name, platform) {
  const folder = await mkdtemp(join(tmpdir(), 'data-analyst-'));
  try {
    await cp(join(here, 'dist/agent.cjs'), join(folder, 'agent.cjs'));
    // The one thing the build leaves outside the file: a database with a native part.
    for (const [dependency, path] of await withDependencies('@duckdb/node-api', here)) {
      await cp(path, join(folder, 'node_modules', dependency), { recursive: true });
    }
    const template = Template({ fileContextPath: folder })
      .fromTemplate('base')
      // A native library hardly shrinks, so compressing it only costs time.
      .copy('.', '.', { gzip: false })
      .setStartCmd('node agent.cjs', isReady);
    await Template.build(template, name, platform);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A package and all it needs on this platform, each with its folder.
 *
 * @returns {Promise<Map<string, string>>}
 */
async function withDependencies(name, from, found = new Map()) {
  if (found.has(name)) return found;
  const path = await installed(name, from);
  // An optional dependency for another platform is not there.
  if (path === undefined) return found;
  found.set(name, path);
  const { dependencies, optionalDependencies } = JSON.parse(
    await readFile(join(path, 'package.json'), 'utf8'),
  );
  for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
    await withDependencies(dependency, path, found);
  }
  return found;
}

/** Where Node would find a package, from a folder upwards. */
async function installed(name, from) {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      return await realpath(join(folder, 'node_modules', name));
    } catch {
      // Not here: one folder up.
    }
  }
  return undefined;
}
