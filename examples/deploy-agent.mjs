import { cp, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Template, waitForURL } from 'e2b';

/**
 * Makes a template of a built agent, on any platform that speaks E2B's API.
 *
 * @param {object} agent
 * @param {string} agent.folder - The example's, built: the agent is its `dist/agent.cjs`.
 * @param {object} agent.metadata - Who the agent is, as in an `agent.yaml`.
 * @param {{ cpuCount: number, memoryMB: number }} agent.resources - The most it may use.
 * @param {object} [agent.network] - What it may reach; stricter rules of a sandbox win. Default: everything.
 * @param {string[]} [agent.packages] - Dependencies that are no part of its one file.
 * @param {string} name - The template's alias; sessions are created by it.
 * @param {{ apiKey: string, apiUrl?: string, domain?: string, signal?: AbortSignal }} platform
 */
export async function deployAgent({ folder, metadata, resources, network, packages = [] }, name, platform) {
  const staged = await mkdtemp(join(tmpdir(), 'agent-'));
  try {
    await cp(join(folder, 'dist/agent.cjs'), join(staged, 'agent.js'));
    for (const needed of packages) {
      for (const [dependency, path] of await withDependencies(needed, folder)) {
        await cp(path, join(staged, 'node_modules', dependency), { recursive: true });
      }
    }
    const template = Template({ fileContextPath: staged })
      .fromTemplate('base')
      // Native libraries hardly shrink, so compressing them only costs time.
      .copy('.', '.', { gzip: false })
      .setStartCmd('node agent.js', waitForURL('http://localhost:8080/ping'));
    await Template.build(template, name, { ...resources, ...platform });
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  const agent = { apiVersion: 'v1', kind: 'Agent', metadata, spec: { entrypoint: 'agent.js' } };
  // As text, which is all that metadata can be at PPIO: its client and ours both read it.
  await describe(name, { agent_runtime: JSON.stringify(agent), ...(network && { network }) }, platform);
}

/** Stores what a template says of itself. E2B's own platform has no place for it, and needs none to run the agent. */
async function describe(name, metadata, { apiKey, apiUrl, signal }) {
  if (apiUrl === undefined) return;
  const response = await fetch(`${apiUrl}/x/templates/${name}/metadata`, {
    method: 'PUT',
    headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
    body: JSON.stringify(metadata),
    signal,
  });
  if (!response.ok && response.status !== 404) throw new Error(await response.text());
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
