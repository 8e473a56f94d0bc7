import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

describeHosts(
  'what no program can be given is refused by name',
  (fixture) => {
    const ask = (method: string, path: string, body: unknown) =>
      fetch(`${fixture.host.apiUrl}${path}`, {
        method,
        headers: { 'X-API-KEY': fixture.connection.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).then(async (response) => ({ status: response.status, body: await response.json() }));

    test('variables and metadata of a sandbox, before it is made', async () => {
      const cases: [options: object, says: RegExp][] = [
        [{ envs: { TOKEN: 'a\0b' } }, /400: body\.envVars\.TOKEN: cannot hold a NUL character/],
        [
          { envs: { 'A\0B': 'x' } },
          /400: body\.envVars: "A\\u0000B" cannot be the name of an environment variable/,
        ],
        [{ envs: { 'A=B': 'x' } }, /"A=B" cannot be the name of an environment variable/],
        [{ envs: { '': 'x' } }, /"" cannot be the name of an environment variable/],
        [{ metadata: { who: 'a\0' } }, /400: body\.metadata\.who: cannot hold a NUL character/],
        [{ metadata: { 'a\0': 'who' } }, /400: body\.metadata\."a\\u0000": cannot hold a NUL character/],
      ];
      for (const [options, says] of cases)
        await expect(fixture.create('base', options), String(says)).rejects.toThrow(says);
      expect(await fixture.sdk.Sandbox.list(fixture.connection).nextItems()).toEqual([]);
    });

    test('variables, arguments and the directory of a command or a terminal', async () => {
      const sandbox = await fixture.create();
      const run = (command: string, options: object = {}) => sandbox.commands.run(command, options);
      await expect(run('true', { envs: { TOKEN: 'a\0b' } })).rejects.toThrow(
        /The environment variable "TOKEN" cannot hold a NUL character/,
      );
      await expect(run('true', { envs: { 'A=B': 'x' } })).rejects.toThrow(/"A=B" cannot be the name/);
      await expect(run('true', { envs: { 'A\0': 'x' } })).rejects.toThrow(/"A\\u0000" cannot be the name/);
      await expect(run('echo a\0b')).rejects.toThrow(/A command and its arguments cannot hold a NUL/);
      await expect(run('true', { cwd: '/tmp\0' })).rejects.toThrow(/directory cannot hold a NUL/);
      const terminal = sandbox.pty.create({ cols: 80, rows: 24, envs: { TOKEN: '\0' }, onData: () => {} });
      await expect(terminal).rejects.toThrow(/"TOKEN" cannot hold a NUL character/);
      expect((await run('echo fine', { envs: { EMPTY: '' } })).stdout).toBe('fine\n');
      await sandbox.kill();
    });

    test('variables, commands and metadata of a template', async () => {
      const { Template } = fixture.sdk;
      const build = (template: ReturnType<ReturnType<typeof Template>['fromTemplate']>) =>
        Template.build(template as Parameters<typeof Template.build>[0], 'refused-nul', fixture.connection);
      const base = () => Template().fromTemplate('base');
      await expect(build(base().setEnvs({ FINE: 'x', TOKEN: 'a\0b' }))).rejects.toThrow(
        /body\.steps\.0\.args\.3: the environment variable "TOKEN" cannot hold a NUL character/,
      );
      await expect(build(base().setEnvs({ 'A=B': 'x' }))).rejects.toThrow(
        /body\.steps\.0\.args\.0: "A=B" cannot be the name of an environment variable/,
      );
      await expect(build(base().runCmd('echo a\0b'))).rejects.toThrow(/body\.steps\.0\.args\.0: .*NUL/);
      const metadata = { agent: { env: [{ name: 'a\0b' }] } };
      expect(await ask('PUT', '/x/templates/base/metadata', metadata)).toEqual({
        status: 400,
        body: { code: 400, message: 'body.agent.env.0.name: cannot hold a NUL character' },
      });
      expect(await ask('POST', '/v3/templates', { name: 'a\0b' })).toMatchObject({ status: 400 });
      expect(await ask('POST', '/templates/tags', { target: 'base', tags: ['a\0'] })).toMatchObject({
        status: 400,
      });
    });

    test('a body that is nested deeper than a stack is read all the same', async () => {
      const deep = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
      const response = await fetch(`${fixture.host.apiUrl}/v2/sandboxes`, {
        method: 'POST',
        headers: { 'X-API-KEY': fixture.connection.apiKey },
        body: deep,
      });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ message: expect.stringContaining('body.templateID') });
    });
  },
  { withOlderSdk: true },
);
