import { gitObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import type { Sandbox as SandboxInstance } from 'e2b';
import { expect, test } from 'vitest';
import { describeHosts, type HostFixture } from './with-host.js';

/** Calls the control plane as any HTTP client would. */
async function call(fixture: HostFixture, method: string, path: string, body?: unknown, apiKey?: string) {
  const response = await fetch(fixture.host.apiUrl + path, {
    method,
    headers: { 'x-api-key': apiKey ?? fixture.host.apiKey },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

describeHosts(
  'the control plane',
  (fixture) => {
    const { Sandbox, Template } = fixture.sdk;
    test('lists by pages, state, template, time and order', async () => {
      await Template.build(Template().fromTemplate('base'), 'listed', fixture.connection);
      const started: SandboxInstance[] = [];
      for (let i = 0; i < 3; i++) started.push(await fixture.create(i === 2 ? 'listed' : 'base'));
      const ids = started.map((one) => one.sandboxId);
      await started[1]?.pause();
      const pages: string[][] = [];
      const paginator = Sandbox.list({ ...fixture.connection, limit: 2, order: 'asc' });
      while (paginator.hasNext) pages.push((await paginator.nextItems()).map((one) => one.sandboxId));
      expect(pages).toEqual([ids.slice(0, 2), ids.slice(2)]);
      const query = async (query: object) =>
        (await Sandbox.list({ ...fixture.connection, query }).nextItems()).map((one) => one.sandboxId);
      expect(await query({ state: ['paused'] })).toEqual([ids[1]]);
      expect(await query({ state: ['running', 'paused'] })).toEqual([...ids].reverse());
      expect(await query({ template: 'listed' })).toEqual([ids[2]]);
      expect(await query({ template: 'unknown' })).toEqual([]);
      expect(await query({ startedAfter: new Date(Date.now() + 60_000) })).toEqual([]);
      await Promise.all(started.map((one) => one.kill()));
    });

    test('only extends the time of a running sandbox on connect, and sets it when told to', async () => {
      const sandbox = await fixture.create('base', { timeoutMs: 600_000 });
      const left = async () => ((await sandbox.getInfo()).endAt.getTime() - Date.now()) / 1000;
      await Sandbox.connect(sandbox.sandboxId, { ...fixture.connection, timeoutMs: 60_000 });
      expect(await left()).toBeGreaterThan(500);
      await sandbox.setTimeout(100_000);
      expect(await left()).toBeLessThan(101);
      await Sandbox.connect(sandbox.sandboxId, { ...fixture.connection, timeoutMs: 900_000 });
      expect(await left()).toBeGreaterThan(800);
      await sandbox.kill();
    });

    test('measures what a sandbox uses', async () => {
      const sandbox = await fixture.create();
      await sandbox.getMetrics();
      await sandbox.commands.run('exec bash -c "while true; do :; done"', { background: true, timeoutMs: 0 });
      const lastSample = async () => (await sandbox.getMetrics()).at(-1);
      await expect
        .poll(async () => (await lastSample())?.cpuUsedPct, { timeout: 30_000, interval: 600 })
        .toBeGreaterThan(1);
      const last = await lastSample();
      expect(last?.memUsed).toBeGreaterThan(100_000);
      expect(last?.diskTotal).toBeGreaterThan(last?.diskUsed ?? 0);
      expect(await sandbox.getMetrics({ start: new Date(Date.now() + 60_000) })).toEqual([]);
      await sandbox.kill();
    });

    test('keeps the log of the template server', async () => {
      const template = Template()
        .fromTemplate('base')
        .setStartCmd('echo one; echo two >&2; touch ready; sleep 1000', '[ -f ready ]');
      await Template.build(template, 'talking', fixture.connection);
      const sandbox = await fixture.create('talking');
      const log = await call(fixture, 'GET', `/v2/sandboxes/${sandbox.sandboxId}/logs?direction=backward`);
      const messages = log.body.logs.map(
        (line: { level: string; message: string }) => `${line.level} ${line.message}`,
      );
      expect(messages.sort()).toEqual(['error two', 'info one']);
      const errors = await call(
        fixture,
        'GET',
        `/v2/sandboxes/${sandbox.sandboxId}/logs?level=warn&search=tw`,
      );
      expect(errors.body.logs).toHaveLength(1);
      expect((await call(fixture, 'GET', `/sandboxes/${sandbox.sandboxId}/logs`)).body.logs).toHaveLength(2);
      await sandbox.kill();
    });

    test('makes snapshots that outlive their sandbox, and forks', async () => {
      const sandbox = await fixture.create('base', { envs: { FLAVOUR: 'sour' } });
      await sandbox.files.write('kept.txt', 'as it was');
      const snapshot = await sandbox.createSnapshot();
      const named = await sandbox.createSnapshot({ name: 'named-snapshot' });
      await sandbox.files.write('kept.txt', 'changed since');
      const forks = await sandbox.fork({ count: 2, timeoutMs: 60_000 });
      expect((await sandbox.listSnapshots().nextItems()).map((one) => one.snapshotId).sort()).toEqual(
        [snapshot.snapshotId, named.snapshotId].sort(),
      );
      await sandbox.kill();
      for (const fork of forks) {
        if (!(fork instanceof Sandbox)) throw fork;
        expect(await fork.files.read('kept.txt')).toBe('changed since');
        await fork.kill();
      }
      for (const id of [snapshot.snapshotId, 'named-snapshot']) {
        const again = await fixture.create(id);
        expect((await again.commands.run('echo "$(cat kept.txt), $FLAVOUR"')).stdout).toBe(
          'as it was, sour\n',
        );
        await again.kill();
      }
      expect(await Sandbox.deleteSnapshot(snapshot.snapshotId, fixture.connection)).toBe(true);
      expect(await Sandbox.deleteSnapshot(snapshot.snapshotId, fixture.connection)).toBe(false);
      await expect(fixture.create(snapshot.snapshotId)).rejects.toThrow(/404/);
      expect((await call(fixture, 'GET', '/templates')).body).not.toContainEqual(
        expect.objectContaining({ names: ['named-snapshot'] }),
      );
    });

    test('names builds by tags', async () => {
      const build = (name: string, text: string) =>
        Template.build(
          Template().fromTemplate('base').runCmd(`echo ${text} > version`),
          name,
          fixture.connection,
        );
      await build('tagged:v1', 'one');
      await build('tagged', 'two');
      const version = async (name: string) => {
        const sandbox = await fixture.create(name);
        const text = await sandbox.files.read('version');
        await sandbox.kill();
        return text.trim();
      };
      expect([await version('tagged'), await version('tagged:v1')]).toEqual(['two', 'one']);
      await Template.assignTags('tagged:v1', ['stable', 'default'], fixture.connection);
      expect(await version('tagged')).toBe('one');
      const { templateId } = await build('tagged:v3', 'three');
      const tags = (await Template.getTags(templateId, fixture.connection)).map((one) => one.tag);
      expect(tags.sort()).toEqual(['default', 'stable', 'v1', 'v3']);
      await Template.removeTags('tagged', 'stable', fixture.connection);
      await expect(fixture.create('tagged:stable')).rejects.toThrow(/stable/);
    });

    test('keeps a template usable by what runs from it after it was deleted', async () => {
      await Template.build(
        Template().fromTemplate('base').runCmd('echo here > file'),
        'passing',
        fixture.connection,
      );
      const sandbox = await fixture.create('passing');
      expect((await call(fixture, 'DELETE', '/templates/passing')).status).toBe(204);
      expect(await sandbox.files.read('file')).toBe('here\n');
      await sandbox.kill();
    });

    test('leaves no sandbox behind for a caller that gave up waiting for it', async () => {
      const template = Template()
        .fromTemplate('base')
        .setStartCmd('sleep 1; touch ready; sleep 1000', '[ -f ready ]');
      await Template.build(template, 'slow-start', fixture.connection);
      const creation = fixture.create('slow-start', { requestTimeoutMs: 300 });
      await expect(creation).rejects.toThrow();
      await expect
        .poll(async () => (await Sandbox.list(fixture.connection).nextItems()).length, { timeout: 30_000 })
        .toBe(0);
    });

    test('lets git be used where it is installed', async ({ skip }) => {
      skip(gitObstacle !== undefined, gitObstacle);
      const sandbox = await fixture.create();
      await sandbox.git.init('repo');
      await sandbox.files.write('repo/file.txt', 'content');
      await sandbox.git.configureUser('Somebody', 'somebody@example.com');
      await sandbox.git.add('repo');
      await sandbox.git.commit('repo', 'first');
      expect((await sandbox.git.status('repo')).isClean).toBe(true);
      await sandbox.kill();
    });

    test('refuses to promise a wall it cannot build, and says what it does not have', async () => {
      const walls = [{ allowInternetAccess: false }, { network: { denyOut: ['10.0.0.0/8'] } }];
      for (const options of walls) {
        if (fixture.host.capabilities.network.level === 'enforced') {
          await (await fixture.create('base', options)).kill();
        } else {
          await expect(fixture.create('base', options)).rejects.toThrow(/share the network/);
        }
      }
      expect((await call(fixture, 'GET', '/teams')).body).toEqual({
        code: 501,
        message: 'This host has no teams; there is one key.',
      });
    });

    test('answers every mistake with its code and a message', async () => {
      const answers = async (method: string, path: string, body?: unknown, key?: string) => {
        const answer = await call(fixture, method, path, body, key);
        expect(answer.body).toEqual({ code: answer.status, message: expect.any(String) });
        return answer.status;
      };
      expect(await answers('GET', '/v2/sandboxes', undefined, 'wrong')).toBe(401);
      expect(await answers('GET', '/nowhere')).toBe(404);
      expect(await answers('POST', '/v2/sandboxes', '{')).toBe(400);
      expect(await answers('POST', '/v2/sandboxes', {})).toBe(400);
      expect(await answers('POST', '/v2/sandboxes', { templateID: 'base', timeout: -1 })).toBe(400);
      expect(
        await answers('POST', '/v2/sandboxes', { templateID: 'base', metadata: 'x'.repeat(2_000_000) }),
      ).toBe(413);
      expect(await answers('GET', '/v2/sandboxes?limit=0')).toBe(400);
      expect(await answers('GET', '/v2/sandboxes?nextToken=unknown')).toBe(400);
      expect(await answers('POST', '/sandboxes/unknown/pause')).toBe(404);
      expect(await answers('POST', '/v3/templates', { name: '../up' })).toBe(400);
      expect(await answers('POST', '/v3/templates', { name: 'base' })).toBe(403);
      expect(await answers('GET', '/templates/base/files/..%2f..%2fpasswd')).toBe(400);
    });
  },
  { withOlderSdk: true, withTls: true },
);
