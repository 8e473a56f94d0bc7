import { expect, test } from 'vitest';
import type { Surface } from './surface.js';

/** Files of sandboxes, and files of volumes. */
export function files(surface: Surface): void {
  const { fixture } = surface;

  test('files: written, read, listed, moved, watched, removed', async () => {
    const sandbox = await fixture.create();
    const { files } = sandbox;
    expect(await files.makeDir('place')).toBe(true);
    const names: string[] = [];
    const watch = await files.watchDir('place', ({ name }) => void names.push(name), { timeoutMs: 0 });
    await files.write('place/one', 'one');
    await files.writeFiles([{ path: 'place/two', data: 'two' }]);
    await expect.poll(() => names, { timeout: 10_000 }).toEqual(expect.arrayContaining(['one', 'two']));
    await watch.stop();
    expect(await files.read('place/two')).toBe('two');
    expect((await files.list('place')).map(({ name }) => name).sort()).toEqual(['one', 'two']);
    await files.rename('place/one', 'place/three');
    expect(await files.getInfo('place/three')).toMatchObject({ name: 'three', size: 3 });
    await files.remove('place/three');
    expect(await files.exists('place/three')).toBe(false);
    await sandbox.kill();
  });

  test('volumes: made, filled, read, destroyed', async () => {
    const { Volume } = surface.sdk;
    const { connection } = fixture;
    const at = { apiUrl: fixture.host.apiUrl };
    const { volumeId } = await Volume.create('surface', connection);
    expect(await Volume.list(connection)).toEqual([{ volumeId, name: 'surface' }]);
    expect(await Volume.getInfo(volumeId, connection)).toMatchObject({ name: 'surface' });
    const volume = await Volume.connect(volumeId, connection);
    await volume.makeDir('/place', at);
    await volume.writeFile('/place/file', 'content', at);
    expect(await volume.readFile('/place/file', at)).toBe('content');
    expect((await volume.list('/place', at)).map(({ name }) => name)).toEqual(['file']);
    expect((await volume.updateMetadata('/place/file', { mode: 0o600 }, at)).mode).toBe(0o600);
    expect(await volume.getInfo('/place/file', at)).toMatchObject({ size: 7, mode: 0o600 });
    await volume.remove('/place', at);
    expect(await volume.exists('/place', at)).toBe(false);
    expect(await Volume.destroy(volumeId, connection)).toBe(true);
  });
}
