import type { FilesystemEvent } from 'e2b';
import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

describeHosts(
  'watching a directory',
  (fixture) => {
    test('reports what is made, written, moved, given other rights and removed', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.makeDir('watched');
      await sandbox.files.write('watched/old.txt', 'old');
      const events: FilesystemEvent[] = [];
      const handle = await sandbox.files.watchDir('watched', (event) => void events.push(event), {
        timeoutMs: 0,
      });
      const seen = () => events.map((event) => `${event.type} ${event.name}`);
      const expectEvent = (text: string) => expect.poll(seen, { timeout: 10_000 }).toContain(text);
      await sandbox.files.write('watched/new.txt', 'new');
      await expectEvent('create new.txt');
      await expectEvent('write new.txt');
      const ofNew = seen().filter((text) => text.endsWith(' new.txt'));
      expect(ofNew).toEqual(['create new.txt', 'chmod new.txt', 'write new.txt']);
      await sandbox.commands.run('chmod 600 watched/old.txt');
      await expectEvent('chmod old.txt');
      await sandbox.files.rename('watched/new.txt', 'watched/moved.txt');
      await expectEvent('rename new.txt');
      await expectEvent('create moved.txt');
      await sandbox.files.remove('watched/old.txt');
      await expectEvent('remove old.txt');
      await sandbox.files.write('watched/below/deep.txt', 'deep');
      await expectEvent('create below');
      expect(seen().join()).not.toContain('deep.txt');
      await handle.stop();
      await sandbox.kill();
    });

    test('reports also what happens further down, with what is there, when asked to', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.makeDir('watched/there');
      const events: FilesystemEvent[] = [];
      await sandbox.files.watchDir('watched', (event) => void events.push(event), {
        recursive: true,
        includeEntry: true,
        timeoutMs: 0,
      });
      await sandbox.commands.run(
        'mkdir -p watched/a/b && echo deep > watched/a/b/c.txt; echo more > watched/there/d.txt',
      );
      const find = (name: string) => events.find((event) => event.name === name && event.type === 'create');
      await expect
        .poll(() => find('a/b/c.txt')?.entry, { timeout: 10_000 })
        .toMatchObject({ name: 'c.txt', type: 'file' });
      await expect.poll(() => find('there/d.txt'), { timeout: 10_000 }).toBeDefined();
      await sandbox.kill();
    });

    test('reports names that are not UTF-8, as they are listed, and goes on', async () => {
      const sandbox = await fixture.create();
      await sandbox.commands.run(
        "mkdir watched && touch watched/$(printf 'old\\377') && mkdir watched/$(printf 'dir\\377')",
      );
      const events: FilesystemEvent[] = [];
      await sandbox.files.watchDir('watched', (event) => void events.push(event), {
        recursive: true,
        timeoutMs: 0,
      });
      const seen = () => events.map((event) => `${event.type} ${event.name}`);
      await sandbox.commands.run(
        "cd watched && touch $(printf 'a\\377') && rm $(printf 'old\\377') && mkdir $(printf 'made\\376') && touch $(printf 'made\\376')/below && touch after",
      );
      await expect
        .poll(seen, { timeout: 10_000 })
        .toEqual(
          expect.arrayContaining(['create a\uFFFD', 'remove old\uFFFD', 'create made\uFFFD', 'create after']),
        );
      await sandbox.kill();
    });

    test('ends with the sandbox, and does not begin where there is no directory', async () => {
      const sandbox = await fixture.create();
      await sandbox.files.write('file', '');
      await expect(sandbox.files.watchDir('nowhere', () => {})).rejects.toThrow(/does not exist/);
      await expect(sandbox.files.watchDir('file', () => {})).rejects.toThrow(/not a directory/);
      let ended = false;
      const onExit = () => {
        ended = true;
      };
      await sandbox.files.watchDir('.', () => {}, { timeoutMs: 0, onExit });
      await sandbox.kill();
      await expect.poll(() => ended, { timeout: 10_000 }).toBe(true);
    });

    test('can be done by asking again and again', async () => {
      const sandbox = await fixture.create();
      const call = async (method: string, body: unknown) => {
        const response = await fetch(`${fixture.host.sandboxUrl}/filesystem.Filesystem/${method}`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'e2b-sandbox-id': sandbox.sandboxId,
            'e2b-sandbox-port': '49983',
            'x-access-token': (sandbox as unknown as { envdAccessToken: string }).envdAccessToken,
          },
          body: JSON.stringify(body),
        });
        return (await response.json()) as Record<string, unknown>;
      };
      const { watcherId } = await call('CreateWatcher', { path: '/home/user' });
      expect(await call('GetWatcherEvents', { watcherId })).toEqual({});
      await sandbox.files.write('new', 'new');
      const names: unknown[] = [];
      await expect
        .poll(
          async () => {
            const { events = [] } = await call('GetWatcherEvents', { watcherId });
            names.push(...(events as { name: string }[]).map((event) => event.name));
            return names;
          },
          { timeout: 10_000 },
        )
        .toContain('new');
      await call('RemoveWatcher', { watcherId });
      expect(await call('GetWatcherEvents', { watcherId })).toMatchObject({ code: 'not_found' });
      await sandbox.kill();
    });
  },
  { withOlderSdk: true, withTls: true },
);
