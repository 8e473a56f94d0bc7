import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runIn, smallLimits, useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { beforeAll, expect, test } from 'vitest';
import { start as startEngine } from './start.js';

describeIsolated('volumes in sandboxes', () => {
  const fixture = useEngine(startEngine);
  beforeAll(() => fixture.engine.volumes.make('other'));
  const start = (volumes: { id: string; path: string }[], image = fixture.engine.baseImage) =>
    fixture.start(smallLimits, { image, volumes });

  test('give no rights: no devices and no set-user-id programs, and nothing of them is seen outside', async () => {
    const sandbox = await start([{ id: 'other', path: '/data' }]);
    const { output } = await runIn(sandbox, 'grep " /data " /proc/self/mounts', 'root');
    expect(output).toMatch(/nosuid/);
    expect(output).toMatch(/nodev/);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(fixture.directory);
    await sandbox.destroy();
  });

  test('are mounted nowhere that a link leads to, and over nothing a sandbox stands on', async () => {
    const outside = join(fixture.directory, 'outside');
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
    await fixture.engine.removeImage(image, []);
  });
});
