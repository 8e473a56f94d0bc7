import type { CommandHandle } from 'e2b';
import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

/** What the SDK makes of a command that a signal ended. */
const ended = (error: string) => ({ exitCode: -1, error });
const waitFor = (handle: CommandHandle) => handle.wait().catch((error: unknown) => error);

describeHosts(
  'a command that a signal ends',
  (fixture) => {
    test('has the exit code -1 and says by which signal in the words of envd', async () => {
      const sandbox = await fixture.create();
      for (const [signal, words] of [
        ['KILL', 'killed'],
        ['TERM', 'terminated'],
        ['INT', 'interrupt'],
        ['HUP', 'hangup'],
        ['USR1', 'user defined signal 1'],
        ['ABRT', 'aborted'],
        ['SYS', 'signal 31'],
      ]) {
        // Without a core dump, which Go reports too.
        const run = sandbox.commands.run(`ulimit -c 0; kill -${signal} $$; sleep 10`);
        await expect(run, signal).rejects.toMatchObject(ended(`signal: ${words}`));
      }
      // A shell that outlives its program reports 128 and the signal, here as in E2B's cloud.
      const within = sandbox.commands.run("sh -c 'kill -TERM $$'; exit $?");
      await expect(within).rejects.toMatchObject({ exitCode: 143, error: 'exit status 143' });
      await sandbox.kill();
    });

    test('says so when it ran in the background, whatever ended it', async () => {
      const sandbox = await fixture.create();
      const { commands } = sandbox;
      const killed = await commands.run('exec sleep 60', { background: true });
      expect(await killed.kill()).toBe(true);
      expect(await waitFor(killed)).toMatchObject(ended('signal: killed'));
      const byOthers = await commands.run('exec sleep 60', { background: true });
      await commands.run(`kill -TERM ${byOthers.pid}`);
      expect(await waitFor(byOthers)).toMatchObject(ended('signal: terminated'));
      await sandbox.kill();
    });

    test('says so in a pseudo-terminal', async () => {
      const sandbox = await fixture.create();
      const open = () => sandbox.pty.create({ cols: 80, rows: 24, timeoutMs: 0, onData: () => {} });
      const killed = await open();
      expect(await sandbox.pty.kill(killed.pid)).toBe(true);
      expect(await waitFor(killed)).toMatchObject(ended('signal: killed'));
      const byOthers = await open();
      await sandbox.commands.run(`kill -HUP ${byOthers.pid}`);
      expect(await waitFor(byOthers)).toMatchObject(ended('signal: hangup'));
      await sandbox.kill();
    });

    test('is reported so in the log of a sandbox and of a build', async () => {
      const { Template } = fixture.sdk;
      const builds = fixture.sdk.Template.build(
        Template().fromTemplate('base').runCmd('echo first; kill -TERM $$; sleep 10'),
        'killed-step',
        fixture.connection,
      );
      await expect(builds).rejects.toThrow(/The step failed with signal: terminated: first/);
    });
  },
  { withOlderSdk: true },
);

describeHosts('a caller whose time is over', (fixture) => {
  test('ends its command by SIGKILL, which another that follows it hears', async () => {
    const sandbox = await fixture.create();
    const first = await sandbox.commands.run('exec sleep 60', { background: true, timeoutMs: 3_000 });
    const follower = await sandbox.commands.connect(first.pid, { timeoutMs: 0 });
    const [, seen] = await Promise.all([waitFor(first), waitFor(follower)]);
    expect(seen).toMatchObject(ended('signal: killed'));
    await sandbox.kill();
  });
});
