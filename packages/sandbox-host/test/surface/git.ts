import { gitObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { expect, test } from 'vitest';
import type { Surface } from './surface.js';

/** What the SDK does with git, which is a program of the machine. */
export function git({ fixture }: Surface): void {
  test('git: branches, remotes, clones, what was changed and what was not', async ({ skip }) => {
    skip(gitObstacle !== undefined, gitObstacle);
    const sandbox = await fixture.create();
    const { git } = sandbox;
    await git.init('origin.git', { bare: true });
    const origin = (await sandbox.commands.run('cd origin.git && pwd')).stdout.trim();
    await git.init('work', { initialBranch: 'main' });
    await git.configureUser('Somebody', 'somebody@example.com');
    await git.setConfig('pull.rebase', 'false');
    expect(await git.getConfig('user.name')).toBe('Somebody');
    await sandbox.files.write('work/file', 'one');
    expect(await git.status('work')).toMatchObject({ isClean: false, currentBranch: 'main' });
    await git.add('work');
    await git.commit('work', 'first');
    expect((await git.status('work')).isClean).toBe(true);
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

  test('git: credentials are kept for a host', async () => {
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
}
