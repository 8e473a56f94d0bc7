import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

let context: string;
beforeAll(async () => {
  context = await mkdtemp(join(tmpdir(), 'template-context-'));
  await mkdir(join(context, 'app/lib'), { recursive: true });
  await writeFile(
    join(context, 'app/lib/greeting.js'),
    `module.exports = process.env.GREETING + ' ' + process.cwd();`,
  );
  await writeFile(
    join(context, 'app/server.js'),
    `require('http').createServer((q, s) => s.end(require('./lib/greeting.js'))).listen(8080);`,
  );
  await writeFile(join(context, 'notes.txt'), 'noted');
});
afterAll(() => rm(context, { recursive: true, force: true }));

describeHosts(
  'a template',
  (fixture) => {
    const { Sandbox, Template, waitForPort, waitForURL } = fixture.sdk;
    test('is built by the SDK from a directory, and its server answers as soon as a sandbox exists', async () => {
      const lines: string[] = [];
      const template = Template({ fileContextPath: context })
        .fromTemplate('base')
        .setEnvs({ GREETING: 'hello from' })
        .setWorkdir('/home/user/service')
        .copy('app', '.')
        .copy('notes.txt', 'docs/')
        .runCmd('echo "built by $(cat docs/notes.txt)" > built.txt && echo a line of the log')
        .setStartCmd('node server.js', waitForPort(8080));
      const built = await Template.build(template, 'greeter', {
        ...fixture.connection,
        onBuildLogs: (entry) => void lines.push(entry.message),
      });
      expect(lines).toContain('a line of the log');
      expect(await Template.exists('greeter', fixture.connection)).toBe(true);
      expect(await Template.exists('nobody', fixture.connection)).toBe(false);
      const sandboxes = await Promise.all([fixture.create('greeter'), fixture.create(built.templateId)]);
      for (const sandbox of sandboxes) {
        const response = await fetch(fixture.host.sandboxUrl, {
          headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '8080' },
        });
        expect(await response.text()).toMatch(/^hello from .*\/home\/user\/service$/);
        expect((await sandbox.commands.run('cat built.txt; pwd')).stdout).toMatch(
          /^built by noted\n.*\/home\/user\/service\n$/,
        );
        expect((await sandbox.files.getInfo('/home/user/service/server.js')).owner).toBe('user');
      }
      await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
      const child = Template().fromTemplate('greeter').runCmd('echo more >> built.txt');
      await Template.build(child, 'greeter-child', fixture.connection);
      const grandchild = await fixture.create('greeter-child');
      expect((await grandchild.commands.run('cat built.txt')).stdout).toBe('built by noted\nmore\n');
      await grandchild.kill();
    });

    test('that waits for a URL is ready when the URL answers', async () => {
      const template = Template({ fileContextPath: context })
        .fromTemplate('base')
        .copy('app/', '/home/user/app/')
        .setStartCmd('sleep 0.3; cd app && node server.js', waitForURL('http://localhost:8080/'));
      await Template.build(template, 'late', fixture.connection);
      const sandbox = await fixture.create('late');
      const response = await fetch(fixture.host.sandboxUrl, {
        headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '8080' },
      });
      expect(response.status).toBe(200);
      await sandbox.kill();
    });

    test('asks a URL by the name it has inside, until it answers as is waited for', async () => {
      const answer =
        'response.writeHead(request.headers.host === "localhost:8080" && ++asked > 3 ? 204 : 503).end()';
      const server = `let asked = 0; require("http").createServer((request, response) => ${answer}).listen(8080)`;
      const template = Template()
        .fromTemplate('base')
        .setStartCmd(`exec node -e '${server}'`, waitForURL('http://localhost:8080/health', 204));
      await Template.build(template, 'warming', fixture.connection);
      const sandbox = await fixture.create('warming');
      await sandbox.kill();
    });

    test('whose step or server fails is not built, and the error says what failed', async () => {
      const failing = Template().fromTemplate('base').runCmd('echo the reason >&2; exit 7');
      await expect(Template.build(failing, 'failing', fixture.connection)).rejects.toThrow(
        /exit code 7: the reason/,
      );
      const packages = Template().fromTemplate('base').runCmd('apt-get --no-such-option install cowsay');
      await expect(Template.build(packages, 'packages', fixture.connection)).rejects.toThrow(
        /\/usr is this machine's own and read-only.*install them on the machine/,
      );
      await expect(fixture.create('failing')).rejects.toThrow(/no finished build/);
      const crashing = Template()
        .fromTemplate('base')
        .setStartCmd('echo cannot start >&2; exit 1', waitForPort(8080));
      await expect(Template.build(crashing, 'crashing', fixture.connection)).rejects.toThrow(/cannot start/);
      const image = Template().fromImage('debian:bookworm');
      await expect(Template.build(image, 'image', fixture.connection)).rejects.toThrow(
        /fromTemplate\('base'\)/,
      );
      expect(await Sandbox.list(fixture.connection).nextItems()).toEqual([]);
    });

    test('holds its sandboxes to its network rules, whatever these ask for', async () => {
      const { apiUrl, apiKey } = fixture.connection;
      const describeNetwork = (network: unknown) =>
        fetch(`${apiUrl}/x/templates/closed/metadata`, {
          method: 'PUT',
          headers: { 'x-api-key': apiKey },
          body: JSON.stringify({ network }),
        });
      await Template.build(Template().fromTemplate('base'), 'closed', fixture.connection);
      expect((await describeNetwork({ allowInternet: false })).status).toBe(400);
      expect((await describeNetwork({ allowInternetAccess: false })).status).toBe(204);
      const creation = fixture.create('closed', { allowInternetAccess: true });
      if (fixture.host.capabilities.network.level !== 'enforced') {
        await expect(creation).rejects.toThrow(/cannot keep a sandbox from the network/);
        return;
      }
      const sandbox = await creation;
      expect((await sandbox.getInfo()).allowInternetAccess).toBe(false);
      const { snapshotId } = await sandbox.createSnapshot();
      await sandbox.kill();
      const again = await fixture.create(snapshotId, { allowInternetAccess: true });
      expect((await again.getInfo()).allowInternetAccess).toBe(false);
      await again.kill();
    });

    test('is built again only from the first step that is not as it was', async () => {
      const build = async (name: string, greeting: string, options: { skipCache?: boolean } = {}) => {
        const lines: string[] = [];
        const template = Template()
          .fromTemplate('base')
          .runCmd('date +%s%N > first.txt')
          .setEnvs({ GREETING: greeting })
          .runCmd('echo "$GREETING $(cat first.txt)" > second.txt');
        const onBuildLogs = (entry: { message: string }): void => void lines.push(entry.message);
        await Template.build(template, name, { ...fixture.connection, ...options, onBuildLogs });
        const sandbox = await fixture.create(name);
        const { stdout } = await sandbox.commands.run('cat second.txt');
        await sandbox.kill();
        return { stdout, cached: lines.filter((line) => line.startsWith('CACHED')).length };
      };
      const first = await build('cached-one', 'hello');
      expect(first.cached).toBe(0);
      expect(await build('cached-two', 'hello')).toEqual({ stdout: first.stdout, cached: 2 });
      const other = await build('cached-three', 'goodbye');
      expect(other).toEqual({ stdout: first.stdout.replace('hello', 'goodbye'), cached: 1 });
      const again = await build('cached-four', 'hello', { skipCache: true });
      expect(again.cached).toBe(0);
      expect(again.stdout).not.toBe(first.stdout);
      // What stands on a layer that was made again is made again, too.
      expect(await build('cached-five', 'hello')).toEqual({ stdout: again.stdout, cached: 2 });
    });

    test('carries metadata, is listed, and can be deleted', async () => {
      const { apiUrl, apiKey } = fixture.connection;
      const call = async (method: string, path: string, body?: unknown) => {
        const response = await fetch(apiUrl + path, {
          method,
          headers: { 'x-api-key': apiKey },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        return { status: response.status, body: text && JSON.parse(text) };
      };
      await Template.build(Template().fromTemplate('base'), 'described', fixture.connection);
      const metadata = { agent_runtime: { entrypoint: 'agent.js' } };
      expect((await call('PUT', '/x/templates/described/metadata', metadata)).status).toBe(204);
      const list = (await call('GET', '/templates')).body;
      expect(list).toContainEqual(
        expect.objectContaining({ names: ['described'], buildStatus: 'ready', metadata }),
      );
      expect((await call('GET', '/templates/described')).body).toMatchObject({
        metadata,
        builds: [{ status: 'ready' }],
      });
      expect((await call('DELETE', '/templates/described')).status).toBe(204);
      expect((await call('GET', '/templates/described')).status).toBe(404);
      expect((await call('DELETE', '/templates/base')).status).toBe(403);
    });
  },
  { withOlderSdk: true, withTls: true },
);
