import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox, Template } from 'e2b';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';

// Each starts several hosts.
vi.setConfig({ testTimeout: 60_000 });

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'host-data-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const connection = ({ apiUrl, sandboxUrl, apiKey }: SandboxHost) => ({ apiUrl, sandboxUrl, apiKey });

test('a host that is started again has its key, its templates, their metadata and its snapshots', async () => {
  const first = await createSandboxHost({ dataDir });
  await Template.build(Template().fromTemplate('base').runCmd('echo kept > file'), 'kept', connection(first));
  await fetch(`${first.apiUrl}/x/templates/kept/metadata`, {
    method: 'PUT',
    headers: { 'x-api-key': first.apiKey },
    body: JSON.stringify({ agent: 'smith' }),
  });
  const sandbox = await Sandbox.create('kept', connection(first));
  await sandbox.files.write('more', 'snapshot');
  const { snapshotId } = await sandbox.createSnapshot();
  await first.close();

  const second = await createSandboxHost({ dataDir });
  expect(second.apiKey).toBe(first.apiKey);
  const listed = await fetch(`${second.apiUrl}/templates`, { headers: { 'x-api-key': second.apiKey } });
  expect(await listed.json()).toContainEqual(
    expect.objectContaining({ names: ['kept'], metadata: { agent: 'smith' }, buildStatus: 'ready' }),
  );
  expect(await Sandbox.list(connection(second)).nextItems()).toEqual([]);
  // Twice, since the end of the first must not take away what the second stands on.
  for (let i = 0; i < 2; i++) {
    const again = await Sandbox.create(snapshotId, connection(second));
    expect((await again.commands.run('cat file more')).stdout).toBe('kept\nsnapshot');
    await again.kill();
  }
  await second.close();
});

test('a data directory belongs to one host at a time, and its images to one form of isolation', async () => {
  const host = await createSandboxHost({ dataDir });
  await expect(createSandboxHost({ dataDir })).rejects.toThrow(/in use by process/);
  await host.close();
  if (host.capabilities.isolation.level === 'enforced') {
    await expect(createSandboxHost({ dataDir, isolation: 'none' })).rejects.toThrow(/another dataDir/);
  }
});

test('what is deleted leaves no layer behind but those that builds may need again', async () => {
  const host = await createSandboxHost({ dataDir });
  const layers = () => readdir(join(dataDir, 'layers'));
  await Template.build(Template().fromTemplate('base').runCmd('touch a'), 'one', connection(host));
  const sandbox = await Sandbox.create('one', connection(host));
  const forks = await sandbox.fork();
  expect((await layers()).length).toBe(3);
  for (const fork of forks) if (fork instanceof Sandbox) await fork.kill();
  await fetch(`${host.apiUrl}/templates/one`, { method: 'DELETE', headers: { 'x-api-key': host.apiKey } });
  await sandbox.kill();
  const kept = await layers();
  expect(kept.length).toBe(2);
  await host.close();

  const again = await createSandboxHost({ dataDir });
  const lines: string[] = [];
  await Template.build(Template().fromTemplate('base').runCmd('touch a'), 'two', {
    ...connection(again),
    onBuildLogs: ({ message }) => void lines.push(message),
  });
  expect(lines.filter((line) => line.startsWith('CACHED'))).toHaveLength(1);
  expect(await layers()).toEqual(kept);
  await again.close();
});

test('a host that is closed during a build ends the build, and says so the next time', async () => {
  const first = await createSandboxHost({ dataDir });
  const template = Template().fromTemplate('base').runCmd('sleep 1000');
  const { templateId, buildId } = await Template.buildInBackground(template, 'unfinished', connection(first));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await first.close();
  const second = await createSandboxHost({ dataDir });
  const status = await Template.getBuildStatus({ templateId, buildId }, connection(second));
  expect(status.status).toBe('error');
  await second.close();
});

test('builds have UUIDs, and those of a host that gave them other ids are still there', async () => {
  const first = await createSandboxHost({ dataDir });
  const { buildId } = await Template.build(Template().fromTemplate('base'), 'old', connection(first));
  expect(buildId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  await first.close();
  const journal = join(dataDir, 'templates.jsonl');
  const oldId = 'k3v0123456789abcdefg';
  await writeFile(journal, (await readFile(journal, 'utf8')).replaceAll(buildId, oldId));

  const second = await createSandboxHost({ dataDir });
  expect(await Template.getTags('old', connection(second))).toMatchObject([
    { tag: 'default', buildId: oldId },
  ]);
  const { tags } = await Template.assignTags('old', ['again'], connection(second));
  expect(tags).toEqual(['again']);
  const sandbox = await Sandbox.create('old:again', connection(second));
  expect((await sandbox.commands.run('echo here')).stdout).toBe('here\n');
  const built = await Template.build(Template().fromTemplate('old'), 'old', connection(second));
  expect(built.buildId).not.toBe(oldId);
  await second.close();
});
