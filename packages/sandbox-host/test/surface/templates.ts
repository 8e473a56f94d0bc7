import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gitObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Surface } from './surface.js';

const hasPip = existsSync('/usr/bin/pip');
if (!hasPip) console.warn('No pip in /usr on this machine: that templates install with it is not tested.');

/** Where templates begin and the steps they are built with. */
export function templates(surface: Surface): void {
  const { fixture } = surface;
  let context: string;
  beforeAll(async () => {
    context = await mkdtemp(join(tmpdir(), 'surface-'));
    const write = async (path: string, text: string): Promise<void> => {
      await mkdir(join(context, path, '..'), { recursive: true });
      await writeFile(join(context, path), text);
    };
    await write('one.txt', 'one');
    await write('two.txt', 'two');
    await write(
      'tool/package.json',
      '{ "name": "tool", "version": "1.0.0", "bin": { "nodetool": "cli.js" } }',
    );
    await write('tool/cli.js', '#!/usr/bin/env node\nconsole.log("of npm");\n');
    await write(
      'module/setup.py',
      'import setuptools\nsetuptools.setup(name="module", version="1", py_modules=["module"],\n' +
        '  entry_points={"console_scripts": ["pytool=module:main"]})\n',
    );
    await write('module/module.py', 'def main(): print("of pip")\n');
  });
  afterAll(() => rm(context, { recursive: true, force: true }));

  test('templates: built, watched while they are, named and tagged', async () => {
    const { Template, LogEntry, LogEntryStart, LogEntryEnd, ...sdk } = surface.sdk;
    const { connection } = fixture;
    const entries: InstanceType<typeof LogEntry>[] = [];
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const print = sdk.defaultBuildLogger({ minLevel: 'info' });
    const onBuildLogs = (entry: InstanceType<typeof LogEntry>): void => {
      entries.push(entry);
      print(entry);
    };
    const template = Template().fromTemplate('base').setEnvs({ SAID: 'a word' }).runCmd('echo "$SAID"');
    const built = await Template.build(template, 'surface', { ...connection, onBuildLogs });
    const printed = written.mock.calls.join('');
    written.mockRestore();
    expect(printed).toContain('a word');
    expect(entries[0]).toBeInstanceOf(LogEntryStart);
    expect(entries.at(-1)).toBeInstanceOf(LogEntryEnd);
    expect(entries.map((entry) => entry.toString()).join('\n')).toContain('a word');
    expect(await Template.exists('surface', connection)).toBe(true);
    expect(await Template.aliasExists('nobody', connection)).toBe(false);
    await Template.assignTags('surface', 'stable', connection);
    const tags = async () =>
      (await Template.getTags(built.templateId, connection)).map(({ tag }) => tag).sort();
    expect(await tags()).toEqual(['default', 'stable']);
    await Template.removeTags('surface', 'stable', connection);
    expect(await tags()).toEqual(['default']);
    const begun = await Template.buildInBackground(Template().fromTemplate('base'), 'background', connection);
    const status = async () => (await Template.getBuildStatus(begun, connection)).status;
    await expect.poll(status, { timeout: 30_000 }).toBe('ready');
  });

  test('templates: every kind of step on files', async () => {
    const { Template, waitForFile } = surface.sdk;
    const ready = waitForFile('ready');
    expect(ready.getCmd()).toContain('ready');
    const template = Template({ fileContextPath: context })
      .fromBaseImage()
      .setWorkdir('/home/user/place')
      .copy('one.txt', 'a/')
      .copyItems([{ src: 'two.txt', dest: 'b.txt' }])
      .makeDir('made')
      .rename('b.txt', 'made/b.txt')
      .makeSymlink('made/b.txt', 'link')
      .runCmd(['touch gone', 'touch stays'])
      .remove('gone')
      .setUser('user')
      .skipCache()
      .runCmd('id -un > who.txt')
      .setStartCmd('sleep 0.1; touch ready; sleep 1000', ready);
    await Template.build(template, 'steps', fixture.connection);
    const sandbox = await fixture.create('steps');
    const { stdout } = await sandbox.commands.run('cat a/one.txt link; echo; ls');
    expect(stdout).toBe('onetwo\na\nlink\nmade\nready\nstays\nwho.txt\n');
    await sandbox.kill();
  });

  test('templates: ready when a port, a URL, a process or a time says so', async () => {
    const { Template, waitForPort, waitForProcess, waitForTimeout, waitForURL } = surface.sdk;
    const server = `node -e "require('http').createServer((q, s) => s.end('up')).listen(8080)"`;
    const conditions = {
      port: [server, waitForPort(8080)],
      url: [server, waitForURL('http://localhost:8080/')],
      process: ['sleep 1000', waitForProcess('sleep')],
      time: [server, waitForTimeout(1_000)],
    } as const;
    for (const [name, [command, ready]] of Object.entries(conditions)) {
      const template = Template().fromTemplate('base').setStartCmd(command, ready);
      await Template.build(template, `ready-${name}`, fixture.connection);
    }
    const late = Template().fromTemplate('base').runCmd('touch there').setReadyCmd('[ -f there ]');
    await Template.build(late, 'ready-command', fixture.connection);
  });

  test('templates: packages of npm and pip from folders, for one and for all', async () => {
    const { Template } = surface.sdk;
    const template = Template({ fileContextPath: context })
      .fromTemplate('base')
      // Nothing is asked of a registry: pip is to take what Debian has to build with.
      .setEnvs({ PIP_NO_INDEX: '1', PIP_NO_BUILD_ISOLATION: '0', npm_config_audit: 'false' })
      .copyItems([
        { src: 'tool', dest: 'tool' },
        { src: 'module', dest: 'module' },
      ])
      .npmInstall('./tool')
      .npmInstall('./tool', { g: true });
    await Template.build(template, 'npm', fixture.connection);
    const own = await fixture.create('npm');
    expect((await own.commands.run('node_modules/.bin/nodetool; nodetool')).stdout).toBe('of npm\nof npm\n');
    await own.kill();
    const pip = (options?: { g: false }) =>
      Template.build(
        Template().fromTemplate('npm').pipInstall('./module', options),
        'pip',
        fixture.connection,
      );
    if (!hasPip) {
      await expect(pip()).rejects.toThrow(/pip: command not found.*of this machine's \/usr/);
      return;
    }
    if (fixture.isolation === 'none') {
      await expect(pip()).rejects.toThrow(/PEP 668.*would install into this machine itself.*python3 -m venv/);
      return;
    }
    for (const options of [undefined, { g: false }] as const) {
      await pip(options);
      const sandbox = await fixture.create('pip');
      expect((await sandbox.commands.run('pytool; touch .local/lib/own')).stdout).toBe('of pip\n');
      await sandbox.kill();
    }
  });

  test('templates: a repository is cloned', async ({ skip }) => {
    skip(gitObstacle !== undefined, gitObstacle);
    const { Template } = surface.sdk;
    const template = Template()
      .fromTemplate('base')
      .runCmd([
        'git init -q -b main origin && cd origin && echo cloned > file && git add file',
        'git -c user.name=A -c user.email=a@example.com commit -qm first',
      ])
      .gitClone('./origin', 'copy', { branch: 'main' });
    expect(await Template.toJSON(template)).toContain('git clone');
    await Template.build(template, 'cloned', fixture.connection);
    const sandbox = await fixture.create('cloned');
    expect(await sandbox.files.read('copy/file')).toBe('cloned\n');
    await sandbox.kill();
  });

  test('templates: from a Dockerfile and to one', async () => {
    const { Template } = surface.sdk;
    const dockerfile =
      'FROM e2bdev/base\nENV SAID=word\nWORKDIR /home/user\nRUN echo "$SAID" > said\nCMD sleep 1000\n';
    const template = Template().fromDockerfile(dockerfile).setReadyCmd('[ -f said ]');
    expect(Template.toDockerfile(template)).toMatch(/^FROM e2bdev\/base\n[\s\S]*RUN echo "\$SAID" > said\n/);
    await Template.build(template, 'dockerfile', fixture.connection);
    const sandbox = await fixture.create('dockerfile');
    expect(await sandbox.files.read('/home/user/said')).toBe('word\n');
    await sandbox.kill();
    expect(() => Template.toDockerfile(Template().fromTemplate('base'))).toThrow(/another template/);
  });

  test("templates: what needs a registry, the system's packages, or E2B's own templates is refused in words", async () => {
    const { Template, BuildError } = surface.sdk;
    const refuse = async (template: Parameters<typeof Template.build>[0], reason: RegExp): Promise<void> => {
      const building = Template.build(template, 'refused', fixture.connection);
      await expect(building).rejects.toThrow(BuildError);
      await expect(building).rejects.toThrow(reason);
    };
    const from = () => Template({ fileContextPath: context });
    await writeFile(join(context, 'account.json'), '{}');
    const images = {
      'debian:stable': from().fromDebianImage(),
      'ubuntu:latest': from().fromUbuntuImage(),
      'fedora:44': from().fromFedoraImage('44'),
      'alpine:3.24': from().fromAlpineImage('3.24'),
      'archlinux:latest': from().fromArchImage(),
      'python:3': from().fromPythonImage(),
      'node:lts': from().fromNodeImage(),
      'oven/bun:latest': from().fromBunImage(),
      'some/image': from().fromImage('some/image', { username: 'a', password: 'b' }),
      'aws/image': from().fromAWSRegistry('aws/image', {
        accessKeyId: 'a',
        secretAccessKey: 'b',
        region: 'c',
      }),
      'gcp/image': from().fromGCPRegistry('gcp/image', { serviceAccountJSON: 'account.json' }),
    };
    for (const [image, template] of Object.entries(images))
      await refuse(
        template,
        new RegExp(`without container images, so it cannot start from "${image}": use fromTemplate`),
      );
    const base = () => Template().fromTemplate('base');
    if (fixture.isolation === 'namespaces')
      await refuse(
        base().aptInstall('cowsay'),
        /\/usr is this machine's own and read-only.*install them on the machine/,
      );
    await refuse(base().runCmd('rm -f bun').bunInstall(), /bun: command not found.*of this machine's \/usr/);
    const ofTheCloud = /E2B's cloud has and this host does not: build one of this name/;
    await refuse(Template().fromTemplate('mcp-gateway').addMcpServer('exa'), ofTheCloud);
    await refuse(Template().fromTemplate('devcontainer').betaDevContainerPrebuild('.'), ofTheCloud);
    await refuse(Template().fromTemplate('devcontainer').betaSetDevContainerStart('.'), ofTheCloud);
    expect(() => base().addMcpServer('exa')).toThrow(BuildError);
    const mcp = { exa: { apiKey: 'none' } };
    await expect(surface.sdk.Sandbox.create({ ...fixture.connection, mcp })).rejects.toThrow(ofTheCloud);
    await expect(fixture.create('base', { mcp })).rejects.toThrow(
      /MCP gateway.*mcp-gateway: command not found/,
    );
  });
}
