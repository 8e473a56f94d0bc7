import { readdirSync, readFileSync } from 'node:fs';
import * as newest from 'e2b';
import * as older from 'e2b-older';
import { describe, expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

/** Methods that no test of this package calls, and why. */
const untested: Record<string, string> = {
  // Not for callers: private or internal in the SDK's declarations.
  'Sandbox.createSandbox': 'private',
  'Sandbox.forkSandbox': 'private',
  'Sandbox.connectSandbox': 'private',
  'Sandbox.resolveOpts': 'protected',
  'Sandbox.resolveApiOpts': 'private',
  'Sandbox.fileUrl': 'private',
  'Volume.resolveOpts': 'protected',
  'Secret.resolveOpts': 'protected',
  'Template.resolveOpts': 'protected',
  'Template.collectStackTrace': 'private',
  'Template.instructionsWithHashes': 'private',
  'Template.serialize': 'private',
  'Git.runGit': 'private',
  'Git.runShell': 'private',
  'Git.getRemoteUrl': 'private',
  'Git.resolveRemoteName': 'private',
  'Git.withRemoteCredentials': 'private',
  'Git.hasUpstream': 'private',
  // Makes what `iam` of a sandbox takes, which this host ignores; it asks no server.
  'Secret.iamToken': 'asks no server',
  // Images of container registries, which builds refuse with 400.
  'Template.fromDebianImage': 'an image of a registry, as fromImage',
  'Template.fromUbuntuImage': 'an image of a registry, as fromImage',
  'Template.fromFedoraImage': 'an image of a registry, as fromImage',
  'Template.fromAlpineImage': 'an image of a registry, as fromImage',
  'Template.fromArchImage': 'an image of a registry, as fromImage',
  'Template.fromPythonImage': 'an image of a registry, as fromImage',
  'Template.fromNodeImage': 'an image of a registry, as fromImage',
  'Template.fromBunImage': 'an image of a registry, as fromImage',
  'Template.fromDockerfile': 'an image of a registry, as fromImage',
  'Template.fromAWSRegistry': 'an image of a registry, as fromImage',
  'Template.fromGCPRegistry': 'an image of a registry, as fromImage',
  // RUN steps with a command of the SDK's, which would need the network or a program this machine may not have.
  'Template.pipInstall': 'a RUN step that needs the network',
  'Template.npmInstall': 'a RUN step that needs the network',
  'Template.bunInstall': 'a RUN step that needs the network',
  'Template.aptInstall': 'a RUN step of apt-get, which fails here and says why (template.test.ts)',
  'Template.addMcpServer': "needs E2B's own template",
  'Template.betaDevContainerPrebuild': "needs E2B's own template",
  'Template.betaSetDevContainerStart': "needs E2B's own template",
};

/** What a class has, from itself and what it extends, that can be called. */
function methodsOf(type: object): string[] {
  const names = new Set<string>();
  const { prototype } = type as { prototype: object };
  for (const start of [type, prototype]) {
    for (
      let at = start;
      at !== Object.prototype && at !== Function.prototype;
      at = Object.getPrototypeOf(at)
    ) {
      for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
        if (typeof value === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return [...names];
}

function classesOf(sdk: typeof newest): Record<string, object> {
  const sandbox = new sdk.Sandbox({
    sandboxId: 'none',
    envdVersion: '0.6.4',
    apiKey: `e2b_${'0'.repeat(40)}`,
  });
  const { files, commands, pty, git } = sandbox;
  return {
    Sandbox: sdk.Sandbox,
    Volume: sdk.Volume,
    Secret: sdk.Secret,
    Template: sdk.Template().constructor,
    Filesystem: files.constructor,
    Commands: commands.constructor,
    Pty: pty.constructor,
    Git: git.constructor,
  };
}

describe('the SDK', () => {
  const tests = readdirSync(new URL('.', import.meta.url))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(new URL(name, import.meta.url), 'utf8'))
    .join('\n');

  for (const [version, sdk] of [
    ['2.51', newest],
    ['2.46', older as unknown as typeof newest],
  ] as const) {
    test(`${version} has no method that is neither called by a test nor said not to be`, () => {
      const missing = Object.entries(classesOf(sdk)).flatMap(([name, type]) =>
        methodsOf(type)
          .filter((method) => !new RegExp(`\\.${method}\\(`).test(tests))
          .map((method) => `${name}.${method}`),
      );
      expect(missing.filter((name) => untested[name] === undefined)).toEqual([]);
    });
  }
});

describeHosts(
  'methods that are seldom used',
  (fixture) => {
    test('of sandboxes and files', async () => {
      const { Sandbox } = fixture.sdk;
      const sandbox = await fixture.create();
      const info = await Sandbox.getFullInfo(sandbox.sandboxId, fixture.connection);
      expect(info).toMatchObject({ sandboxId: sandbox.sandboxId, state: 'running' });
      expect(sandbox.getMcpUrl()).toContain(sandbox.sandboxId);
      await expect(sandbox.getMcpToken()).rejects.toThrow();
      const written = await sandbox.files.writeFiles([{ path: 'one', data: '1' }]);
      expect(written.map(({ path }) => path)).toEqual(['/home/user/one']);
      expect(await sandbox.betaPause()).toBe(true);
      expect((await sandbox.getInfo()).state).toBe('paused');
      await sandbox.kill();
    });

    test('of git: credentials are kept for a host', async () => {
      const sandbox = await fixture.create();
      await sandbox.git.dangerouslyAuthenticate({
        username: 'somebody',
        password: 'secret',
        host: 'git.example.com',
      });
      const { stdout } = await sandbox.commands.run(
        'printf "protocol=https\\nhost=git.example.com\\n\\n" | git credential fill',
      );
      expect(stdout).toContain('password=secret');
      await sandbox.kill();
    });

    test('of templates', async () => {
      const { Template } = fixture.sdk;
      const template = Template()
        .fromTemplate('base')
        .runCmd('git init --bare origin.git')
        .gitClone('/home/user/origin.git', 'copy')
        .setReadyCmd('test -d copy');
      expect(await Template.toJSON(template)).toContain('git clone');
      expect(() => Template.toDockerfile(template)).toThrow(/template/);
      expect(await Template.aliasExists('no-such-name', fixture.connection)).toBe(false);
    });
  },
  { withOlderSdk: true },
);
