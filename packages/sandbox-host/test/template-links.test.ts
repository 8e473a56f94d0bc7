import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

describeHosts(
  'an archive of a COPY step',
  (fixture) => {
    let context: string;
    /** As `npm install` lays out a workspace: `node_modules/lib` is a link to `packages/lib`. */
    beforeAll(async () => {
      context = await mkdtemp(join(tmpdir(), 'workspace-'));
      await mkdir(join(context, 'packages/lib'), { recursive: true });
      await writeFile(join(context, 'packages/lib/index.js'), 'module.exports = 42;');
      await mkdir(join(context, 'node_modules'));
      await symlink('../packages/lib', join(context, 'node_modules/lib'));
    });
    afterAll(() => rm(context, { recursive: true }));

    async function build(name: string, options: { resolveSymlinks?: true } = {}) {
      const { Template } = fixture.sdk;
      const lines: string[] = [];
      const template = Template({ fileContextPath: context })
        .fromTemplate('base')
        .copy('node_modules', 'node_modules', options);
      const failure = await Template.build(template, name, {
        ...fixture.connection,
        onBuildLogs: ({ message }) => void lines.push(message),
      }).then(
        () => undefined,
        (error: Error) => error.message,
      );
      return { lines, failure };
    }

    test('that cannot be unpacked says why, in the error and in the log, and what to do', async () => {
      const { lines, failure } = await build('links-fail');
      expect(failure).toMatch(
        /cannot be unpacked: .*lib\/index\.js: Cannot open: Not a directory\. .*resolveSymlinks: true/,
      );
      expect(lines.join('\n')).toMatch(/tar: .*lib\/index\.js: Cannot open: Not a directory/);
      expect(lines.join('\n')).toContain('resolveSymlinks: true');
    });

    test('is unpacked when it holds what links lead to', async () => {
      expect((await build('links-resolved', { resolveSymlinks: true })).failure).toBeUndefined();
      const sandbox = await fixture.create('links-resolved');
      const { stdout } = await sandbox.commands.run('node -p "require(\'lib\')"');
      expect(stdout).toBe('42\n');
      await sandbox.kill();
    });

    test('that is none says so', async () => {
      const ask = async (method: string, path: string, body?: string) =>
        (await fetch(path.startsWith('http') ? path : `${fixture.host.apiUrl}${path}`, {
          method,
          headers: { 'X-API-KEY': fixture.connection.apiKey },
          ...(body !== undefined && { body }),
        }).then((response) => response.text())) || '{}';
      const asked = JSON.parse(await ask('POST', '/v3/templates', '{"name":"not-tar"}'));
      const hash = 'ab'.repeat(32);
      const files = JSON.parse(await ask('GET', `/templates/${asked.templateID}/files/${hash}`));
      await ask('PUT', files.url, 'no archive at all');
      const steps = [{ type: 'COPY', args: ['a', 'b', '', ''], filesHash: hash }];
      const path = `/templates/${asked.templateID}/builds/${asked.buildID}`;
      await ask('POST', `/v2${path}`, JSON.stringify({ fromTemplate: 'base', steps }));
      const reason = async () => JSON.parse(await ask('GET', `${path}/status`)).reason?.message;
      await expect
        .poll(reason, { timeout: 20_000 })
        .toMatch(/cannot be unpacked: tar: This does not look like a tar archive$/);
    });
  },
  { withOlderSdk: true },
);
