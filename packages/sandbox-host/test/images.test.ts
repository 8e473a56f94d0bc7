import { expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { describeHosts } from './with-host.js';

describeHosts(
  'a host whose templates stand for images',
  (fixture) => {
    const { Template } = fixture.sdk;
    const build = (template: Parameters<typeof Template.build>[0], name: string) => {
      const lines: string[] = [];
      const onBuildLogs = ({ message }: { message: string }) => void lines.push(message);
      return Template.build(template, name, { ...fixture.connection, onBuildLogs }).then(() => lines);
    };
    const said = async (template: string) => {
      const sandbox = await fixture.create(template);
      const { stdout } = await sandbox.commands.run('cat ~/said');
      await sandbox.kill();
      return stdout;
    };

    test('builds from an image by any of its names, and says in the log what stands for it', async () => {
      const lines = await build(Template().fromUbuntuImage('22.04').runCmd('echo image > ~/said'), 'ubuntu');
      expect(lines).toContain('FROM base, which stands for the image ubuntu:22.04');
      expect(await said('ubuntu')).toBe('image\n');
      const secret = { username: 'a', password: 'b' };
      const full = Template()
        .fromImage('docker.io/library/ubuntu:22.04', secret)
        .runCmd('echo full > ~/said');
      await build(full, 'full');
      expect(await said('full')).toBe('full\n');
      // A template that was built meanwhile.
      await build(Template().fromImage('python:3').skipCache().runCmd('echo python >> ~/said'), 'on-ubuntu');
      expect(await said('on-ubuntu')).toBe('image\npython\n');
    });

    test('builds from a Dockerfile', async () => {
      const dockerfile = 'FROM ubuntu:22.04\nENV SAID=docker\nUSER user\nRUN echo "$SAID" > ~/said\n';
      await build(Template().fromDockerfile(dockerfile), 'dockerfile');
      expect(await said('dockerfile')).toBe('docker\n');
    });

    test('refuses every other image, and names the option', async () => {
      await expect(build(Template().fromUbuntuImage('24.04'), 'other')).rejects.toThrow(
        /cannot start from "ubuntu:24\.04".*the option images: \{ 'ubuntu:24\.04': 'base' \}/,
      );
      await expect(build(Template().fromDockerfile('FROM debian\nRUN true'), 'debian')).rejects.toThrow(
        /cannot start from "debian".*the option images/,
      );
      await expect(build(Template().fromNodeImage(), 'astray')).rejects.toThrow(
        /option images leads "node:lts" to nothing: Template "not-built" was not found/,
      );
    });
  },
  {
    withOlderSdk: true,
    options: { images: { 'ubuntu:22.04': 'base', 'python:3': 'ubuntu', 'node:lts': 'not-built' } },
  },
);

test('a host is not started with images that cannot be used', async () => {
  await expect(createSandboxHost({ images: { 'ubuntu:22.04': 'Not A Name' } })).rejects.toThrow(
    /images\["ubuntu:22\.04"\]: expected the name of a template/,
  );
});
