import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { EngineSandbox } from '../engine.js';
import { type EngineFixture, runIn, smallLimits } from '../testing/engine-fixture.js';

/** What sandboxes share, where the engine can mount it. */
export function describeVolumes(fixture: EngineFixture): void {
  describe('volumes in sandboxes', () => {
    /** Why there are none. */
    let obstacle: string | undefined;
    beforeAll(async () => {
      await fixture.engine.volumes.make('shared');
      await fixture.engine.volumes.make('other');
      const refused = await start([{ id: 'other', path: '/mnt/data' }]).then(
        (sandbox) => sandbox.destroy(),
        (error) => error,
      );
      if (refused && refused.status !== 501) throw refused;
      obstacle = refused?.message;
    });
    beforeEach(({ skip }) => skip(obstacle !== undefined, obstacle));
    const start = (
      volumes: { id: string; path: string }[],
      options: Parameters<EngineFixture['start']>[1] = {},
    ): Promise<EngineSandbox> => fixture.start({ ...smallLimits, memoryMB: 256 }, { ...options, volumes });
    const write = (id: string, path: string, content: string) =>
      fixture.engine.volumes.files(id).write(path, Readable.from([content], { objectMode: false }), {});

    test('are shared, belong to their user, and keep what is written when sandboxes end', async () => {
      const [one, two] = await Promise.all([
        start([{ id: 'shared', path: '/mnt/data' }]),
        start([
          { id: 'shared', path: '/home/user/deep/data' },
          { id: 'other', path: '/other' },
        ]),
      ]);
      await write('shared', '/from-outside', 'outside');
      expect(await runIn(one, 'cat /mnt/data/from-outside; stat -c %U /mnt/data /mnt/data/*')).toMatchObject({
        output: 'outsideuser\nuser\n',
      });
      expect(await runIn(one, 'echo inside > /mnt/data/from-inside; mkdir /mnt/data/made')).toMatchObject({
        code: 0,
      });
      expect(await runIn(two, 'cat ~/deep/data/from-inside; ls /other')).toMatchObject({
        output: 'inside\n',
      });
      await one.destroy();
      const file = await two.files.read('/home/user/deep/data/from-inside');
      expect(await text(file.stream())).toBe('inside\n');
      await two.destroy();
      const entries = await fixture.engine.volumes.files('shared').list('/', 1);
      expect(entries.map(({ name, type }) => `${name} ${type}`)).toEqual([
        'from-inside file',
        'from-outside file',
        'made directory',
      ]);
    });

    test('take part in no checkpoint', async () => {
      const sandbox = await start([{ id: 'shared', path: '/mnt/data' }]);
      await runIn(sandbox, 'touch /mnt/data/volume ~/own');
      const image = await sandbox.checkpoint();
      await sandbox.destroy();
      const again = await start([], { image });
      expect(await runIn(again, 'ls /mnt/data ~')).toMatchObject({
        output: '/home/user:\nown\n\n/mnt/data:\n',
      });
      await again.destroy();
      await fixture.engine.removeImage(image, []);
    });

    test('lead out of themselves by no link', async () => {
      const sandbox = await start([{ id: 'other', path: '/data' }]);
      await runIn(
        sandbox,
        'ln -s / /data/root; ln -s ../../.. /data/up; ln -s /etc/shadow /data/file',
        'root',
      );
      const files = fixture.engine.volumes.files('other');
      for (const path of ['/root/etc/passwd', '/up/etc/passwd', '/file', '/../../etc/passwd']) {
        await expect(files.read(path), path).rejects.toMatchObject({ status: 404 });
      }
      await sandbox.destroy();
    });

    test('are refused when they have gone', async () => {
      await expect(start([{ id: 'gone', path: '/data' }])).rejects.toMatchObject({ status: 409 });
    });

    test('are there again when a sandbox whose files were kept is started again', async () => {
      const id = `again${process.pid}`;
      const first = await start([{ id: 'shared', path: '/mnt/data' }], { id });
      await runIn(first, 'echo kept > /mnt/data/kept');
      await first.destroy({ keepFiles: true });
      const again = await start([{ id: 'shared', path: '/mnt/data' }], { id });
      expect(await runIn(again, 'cat /mnt/data/kept')).toMatchObject({ output: 'kept\n' });
      await again.destroy();
    });
  });
}
