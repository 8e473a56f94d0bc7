import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Journal, openJournal } from '../storage/journal.js';
import { BuildLogs } from './build-logs.js';
import { type BuildResult, type Template, templateSchema } from './template.js';
import { defaultResources, TemplateCatalog } from './template-catalog.js';

const base: BuildResult = {
  image: { layers: ['base'] },
  envs: {},
  workdir: '/home/user',
  user: 'user',
};
let directory: string;
let journal: Journal<Template>;
let catalog: TemplateCatalog;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'catalog-'));
  ({ journal, catalog } = open());
});
afterEach(async () => {
  journal.close();
  await rm(directory, { recursive: true });
});

function open(): { journal: Journal<Template>; catalog: TemplateCatalog } {
  const templates = openJournal(join(directory, 'templates.jsonl'), 'templates', templateSchema);
  const logs = new BuildLogs(join(directory, 'build-logs'), console);
  return { journal: templates, catalog: new TemplateCatalog({ templates, logs, base, logger: console }) };
}

test.each<[string, (template: Template) => void]>([
  ['a build', (template) => catalog.addBuild(template, ['default'], defaultResources)],
  ['a finished build', (template) => catalog.finish(template, lastBuild(template), base)],
  ['a failed build', (template) => catalog.fail(template, lastBuild(template), { message: 'no' })],
  ['a tag', (template) => catalog.tag(template, ['new'], lastBuild(template).buildID)],
  ['a removed tag', (template) => catalog.untag(template, ['default'])],
  ['a description', (template) => catalog.describe(template, { public: true, metadata: { a: 'b' } })],
])('what the disk does not take is not so in memory either: %s', (_what, change) => {
  const template = catalog.create('mine');
  catalog.finish(template, catalog.addBuild(template, ['default'], defaultResources), base);
  catalog.addBuild(template, ['later'], defaultResources);
  const before = structuredClone(template);
  // As a disk that fails: every write to it does.
  journal.close();
  expect(() => change(template)).toThrow(/is closed/);
  expect(template).toEqual(before);
  expect(catalog.get('mine')).toBe(template);
  ({ journal, catalog } = open());
  const after = catalog.get('mine');
  expect(after.tags).toEqual(before.tags);
  expect(after.builds.map(({ buildID }) => buildID)).toEqual(before.builds.map(({ buildID }) => buildID));
});

test('a build that its holder knows is the one in the catalog, also after it has changed', () => {
  const template = catalog.create('mine');
  const build = catalog.addBuild(template, ['default'], defaultResources);
  catalog.finish(template, build, base);
  expect(build.status).toBe('ready');
  expect(catalog.resolve('mine').build).toBe(build);
});

test('how often a template was used outlives the host', () => {
  const template = catalog.create('mine');
  const at = new Date('2026-01-02T03:04:05Z');
  catalog.countSpawn(template, at);
  catalog.countSpawn(template, at);
  catalog.close();
  journal.close();
  ({ journal, catalog } = open());
  expect(catalog.get('mine')).toMatchObject({ spawnCount: 2, lastSpawnedAt: at.toISOString() });
});

function lastBuild(template: Template): Template['builds'][number] {
  const build = template.builds.at(-1);
  if (!build) throw new Error('There is no build.');
  return build;
}
