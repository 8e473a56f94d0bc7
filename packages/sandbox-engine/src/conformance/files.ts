import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EngineSandbox } from '../engine.js';
import type { FileEvent } from '../files.js';
import { type EngineFixture, runIn } from '../testing/engine-fixture.js';

/** What the files API and programs have in common. */
export function describeFiles(fixture: EngineFixture): void {
  describe('files of a sandbox', () => {
    let sandbox: EngineSandbox;
    beforeAll(async () => {
      sandbox = await fixture.start();
    });
    const write = (path: string, said: string) =>
      sandbox.files.write(path, Readable.from([Buffer.from(said)]), 'user');
    const read = async (path: string): Promise<string> => text((await sandbox.files.read(path)).stream());

    test('are the same for programs and for the API', async () => {
      expect(await write('/home/user/deep/down/file', 'from outside')).toMatchObject({
        name: 'file',
        path: '/home/user/deep/down/file',
        type: 'file',
        size: 12,
      });
      const script =
        'cd ~/deep/down && cat file && printf " and inside" >> file && mkdir made && ln -s file link';
      expect((await runIn(sandbox, script)).output).toBe('from outside');
      expect(await read('/home/user/deep/down/link')).toBe('from outside and inside');
      const part = (await sandbox.files.read('/home/user/deep/down/file')).stream({ start: 5, end: 11 });
      expect(await text(part)).toBe('outside');
      const listed = await sandbox.files.list('/home/user/deep', 2);
      expect(listed.map(({ path, type }) => `${path} ${type}`).sort()).toEqual([
        '/home/user/deep/down directory',
        '/home/user/deep/down/file file',
        '/home/user/deep/down/link file',
        '/home/user/deep/down/made directory',
      ]);
    });

    test('are moved and removed', async () => {
      await write('/home/user/one', 'moved');
      await sandbox.files.move('/home/user/one', '/home/user/two', 'user');
      expect(await read('/home/user/two')).toBe('moved');
      await sandbox.files.remove('/home/user/two');
      await sandbox.files.remove('/home/user/two');
      expect((await runIn(sandbox, 'ls ~/one ~/two')).code).not.toBe(0);
    });

    test('are refused with what is wrong', async () => {
      await write('/home/user/file', '');
      await expect(sandbox.files.stat('/home/user/none')).rejects.toMatchObject({ status: 404 });
      await expect(sandbox.files.read('/home/user/none')).rejects.toMatchObject({ status: 404 });
      await expect(write('/home/user/file/below', '')).rejects.toMatchObject({ status: 400 });
      await expect(sandbox.files.makeDirectory('/home/user/file', 'user')).rejects.toMatchObject({
        status: 400,
      });
    });

    test('are read outside the sandbox by no link', async () => {
      const secret = join(fixture.directory, 'secret');
      writeFileSync(secret, 'of the host');
      const script = `mkdir ~/links && cd ~/links && ln -s ${secret} file && ln -s ${fixture.directory} directory &&
        ln -s ../../../../../../../../../..${secret} up`;
      expect(await runIn(sandbox, script)).toMatchObject({ code: 0 });
      for (const name of ['file', 'up', 'directory/secret']) {
        await expect(sandbox.files.read(`/home/user/links/${name}`), name).rejects.toMatchObject({
          status: 404,
        });
      }
    });

    test('are watched', async () => {
      const seen: FileEvent[] = [];
      await sandbox.files.makeDirectory('/home/user/watched', 'user');
      const end = await sandbox.files.watch('/home/user/watched', false, (event) => seen.push(event));
      try {
        await runIn(sandbox, 'echo > ~/watched/made');
        await expect.poll(() => seen, { timeout: 20_000 }).toContainEqual({ name: 'made', type: 'create' });
      } finally {
        end();
      }
    });
  });
}
