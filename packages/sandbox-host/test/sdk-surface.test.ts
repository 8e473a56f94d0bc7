import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { describeHosts } from './with-host.js';

// What an SDK's method does here takes several commands each.
vi.setConfig({ testTimeout: 60_000 });

describeHosts(
  'the rest of what E2B gives callers',
  (fixture) => {
    test('git: branches, remotes, clones, what was changed and what was not', async () => {
      const sandbox = await fixture.create();
      const { git } = sandbox;
      await git.init('origin.git', { bare: true });
      const origin = (await sandbox.commands.run('cd origin.git && pwd')).stdout.trim();
      await git.init('work', { initialBranch: 'main' });
      await git.configureUser('Somebody', 'somebody@example.com');
      expect(await git.getConfig('user.name')).toBe('Somebody');
      await sandbox.files.write('work/file', 'one');
      await git.add('work');
      await git.commit('work', 'first');
      await git.createBranch('work', 'side');
      await git.checkoutBranch('work', 'main');
      const { currentBranch, branches } = await git.branches('work');
      expect([currentBranch, [...branches].sort()]).toEqual(['main', ['main', 'side']]);
      await git.deleteBranch('work', 'side');
      await sandbox.files.write('work/file', 'two');
      await git.restore('work', { paths: ['file'] });
      expect(await sandbox.files.read('work/file')).toBe('one');
      await sandbox.files.write('work/file', 'three');
      await git.add('work');
      await git.reset('work', { mode: 'hard' });
      expect(await sandbox.files.read('work/file')).toBe('one');
      await git.remoteAdd('work', 'origin', origin);
      expect(await git.remoteGet('work', 'origin')).toBe(origin);
      await git.push('work', { remote: 'origin', branch: 'main' });
      await git.clone(origin, { path: 'copy', branch: 'main' });
      expect(await sandbox.files.read('copy/file')).toBe('one');
      await sandbox.files.write('work/file', 'four');
      await git.add('work');
      await git.commit('work', 'second');
      await git.push('work', { remote: 'origin', branch: 'main' });
      await git.pull('copy', { remote: 'origin', branch: 'main' });
      expect(await sandbox.files.read('copy/file')).toBe('four');
      await sandbox.kill();
    });

    test('templates: every kind of step that needs nothing from outside', async () => {
      const { Template, waitForFile } = fixture.sdk;
      const context = await mkdtemp(join(tmpdir(), 'sdk-surface-'));
      await writeFile(join(context, 'one.txt'), 'one');
      await writeFile(join(context, 'two.txt'), 'two');
      const template = Template({ fileContextPath: context })
        .fromBaseImage()
        .setWorkdir('/home/user/place')
        .copyItems([
          { src: 'one.txt', dest: 'a/' },
          { src: 'two.txt', dest: 'b.txt' },
        ])
        .makeDir('made')
        .rename('b.txt', 'made/b.txt')
        .makeSymlink('made/b.txt', 'link')
        .runCmd(['touch gone', 'touch stays'])
        .remove('gone')
        .setUser('user')
        .skipCache()
        .runCmd('id -un > who.txt')
        .setStartCmd('sleep 0.1; touch ready; sleep 1000', waitForFile('ready'));
      await Template.build(template, 'steps', fixture.connection);
      expect(await Template.exists('steps', fixture.connection)).toBe(true);
      const sandbox = await fixture.create('steps');
      const { stdout } = await sandbox.commands.run('cat a/one.txt link; echo; ls');
      expect(stdout).toBe('onetwo\na\nlink\nmade\nready\nstays\nwho.txt\n');
      await sandbox.kill();
      await rm(context, { recursive: true });
    });

    test('what one machine does not have is refused in words', async () => {
      const { Secret } = fixture.sdk;
      await expect(Secret.create('name', 'value', fixture.connection)).rejects.toThrow(
        /has no stored secrets/,
      );
    });
  },
  { withOlderSdk: true },
);
