import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { EngineSandbox, Image } from '@sandpiper/sandbox-engine/engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { runIn } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEngine } from '../src/host/open-engine.js';

describeIsolated('volumes in sandboxes', () => {
  let directory: string;
  let engine: LocalEngine;
  let started = 0;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'volume-mounts-'));
    engine = await openEngine({ logger: console, directory, isolation: 'namespaces' });
    await engine.volumes.make('shared');
    await engine.volumes.make('other');
  });
  afterAll(async () => {
    await engine?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const start = (volumes: { id: string; path: string }[], image: Image = engine.baseImage) =>
    engine.start(`volumes${process.pid}x${started++}`, image, {
      limits: { cpuCount: 1, memoryMB: 256 },
      network: { internet: false, allowOut: [], denyOut: [] },
      volumes,
    });
  const write = (id: string, path: string, content: string) =>
    engine.volumes.files(id).write(path, Readable.from([content], { objectMode: false }), {});

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
    expect(await runIn(two, 'cat ~/deep/data/from-inside; ls /other')).toMatchObject({ output: 'inside\n' });
    await one.destroy();
    const file = await two.files.read('/home/user/deep/data/from-inside');
    expect(await text(file.stream())).toBe('inside\n');
    await two.destroy();
    const entries = await engine.volumes.files('shared').list('/', 1);
    expect(entries.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'from-inside file',
      'from-outside file',
      'made directory',
    ]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(directory);
  });

  test('take part in no checkpoint', async () => {
    const sandbox = await start([{ id: 'shared', path: '/mnt/data' }]);
    await runIn(sandbox, 'touch /mnt/data/volume ~/own');
    const image = await sandbox.checkpoint();
    await sandbox.destroy();
    const again = await start([], image);
    expect(await runIn(again, 'ls /mnt/data ~')).toMatchObject({
      output: '/home/user:\nown\n\n/mnt/data:\n',
    });
    await again.destroy();
    await engine.removeImage(image, []);
  });

  test('give no rights: no devices, no set-user-id programs, and no way out by a link', async () => {
    const sandbox = await start([{ id: 'other', path: '/data' }]);
    const { output } = await runIn(sandbox, 'grep " /data " /proc/self/mounts', 'root');
    expect(output).toMatch(/nosuid/);
    expect(output).toMatch(/nodev/);
    await runIn(sandbox, 'ln -s / /data/root; ln -s ../../.. /data/up; ln -s /etc/shadow /data/file', 'root');
    const files = engine.volumes.files('other');
    for (const path of ['/root/etc/passwd', '/up/etc/passwd', '/file', '/../../etc/passwd']) {
      await expect(files.read(path), path).rejects.toMatchObject({ status: 404 });
    }
    await sandbox.destroy();
  });

  test('are mounted nowhere that a link leads to, and over nothing a sandbox stands on', async () => {
    const outside = join(directory, 'outside');
    await mkdir(outside);
    const maker = await start([]);
    await runIn(maker, `ln -s /usr /link; ln -s ${outside} /out; echo > /file`, 'root');
    const image = await maker.checkpoint();
    await maker.destroy();
    for (const [path, reason] of [
      ['/link', /\/link is a symbolic link/],
      ['/link/local/x', /\/link is a symbolic link/],
      ['/out/x', /\/out is a symbolic link/],
      ['/file', /\/file: File exists/],
      ['/usr/local/x', /\/usr is the host's/],
      ['/opt', /\/opt\/node is the host's/],
      ['/proc', /\/proc is the host's/],
      ['/', /is the host's/],
    ] as const) {
      await expect(start([{ id: 'other', path }], image), path).rejects.toMatchObject({
        status: 400,
        message: expect.stringMatching(reason),
      });
    }
    await expect(start([{ id: 'gone', path: '/data' }])).rejects.toMatchObject({ status: 409 });
    await engine.removeImage(image, []);
  });

  test('are there again when a sandbox whose files were kept is started anew', async () => {
    const id = `volumes${process.pid}x${started}`;
    const first = await start([{ id: 'shared', path: '/mnt/data' }]);
    await runIn(first, 'echo kept > /mnt/data/kept');
    await first.destroy({ keepFiles: true });
    started -= 1;
    const again: EngineSandbox = await start([{ id: 'shared', path: '/mnt/data' }]);
    expect(id).toBe(`volumes${process.pid}x${started - 1}`);
    expect(await runIn(again, 'cat /mnt/data/kept')).toMatchObject({ output: 'kept\n' });
    await again.destroy();
  });
});
