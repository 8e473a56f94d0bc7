import { request } from 'node:http';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox, Volume } from 'e2b';
import { expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { useHostProcesses } from './host-process.js';
import { describeHosts } from './with-host.js';

describeHosts(
  'volumes',
  (fixture) => {
    const sdk = fixture.sdk;
    /** Where the SDK asks for the files of volumes, unless a domain says it. */
    const at = () => ({ apiUrl: fixture.host.apiUrl });
    let made = 0;
    const make = () => sdk.Volume.create(`volume-${++made}`, fixture.connection);

    test('are made, listed, read about, connected to and destroyed', async () => {
      const volume = await sdk.Volume.create('some_volume-1', fixture.connection);
      expect(volume.name).toBe('some_volume-1');
      expect(await sdk.Volume.list(fixture.connection)).toContainEqual({
        volumeId: volume.volumeId,
        name: 'some_volume-1',
      });
      const info = await sdk.Volume.getInfo(volume.volumeId, fixture.connection);
      expect(info).toMatchObject({ volumeId: volume.volumeId, name: volume.name, token: volume.token });
      const connected = await sdk.Volume.connect(volume.volumeId, fixture.connection);
      await connected.writeFile('/a', 'a', at());
      expect(await volume.readFile('/a', at())).toBe('a');
      await expect(sdk.Volume.create('some_volume-1', fixture.connection)).rejects.toThrow(/already exists/);
      await expect(sdk.Volume.create('no/path', fixture.connection)).rejects.toThrow(/body.name/);
      expect(await sdk.Volume.destroy(volume.volumeId, fixture.connection)).toBe(true);
      expect(await sdk.Volume.destroy(volume.volumeId, fixture.connection)).toBe(false);
      await expect(sdk.Volume.connect(volume.volumeId, fixture.connection)).rejects.toThrow(
        sdk.VolumeNotFoundError,
      );
      await expect(volume.list('/', at())).rejects.toThrow(sdk.AuthenticationError);
    });

    test('hold files of every form, whole or not at all', async () => {
      const volume = await make();
      const bytes = new Uint8Array(1_000_000).map((_, index) => index % 251);
      await volume.writeFile('/bytes', bytes.buffer, at());
      const read = await volume.readFile('/bytes', { ...at(), format: 'bytes' });
      expect(Buffer.compare(read, bytes)).toBe(0);
      const written = await volume.writeFile('/blob', new Blob(['blob']), at());
      expect(written).toMatchObject({ name: 'blob', path: '/blob', type: 'file', size: 4, mode: 0o644 });
      expect(await (await volume.readFile('/blob', { ...at(), format: 'blob' })).text()).toBe('blob');
      await volume.writeFile('/empty', '', at());
      expect(await volume.readFile('/empty', at())).toBe('');
      let sent = 0;
      const source = new ReadableStream<Uint8Array>({
        pull: (controller) => (sent++ < 20 ? controller.enqueue(bytes) : controller.close()),
      });
      await volume.writeFile('/stream', source, at());
      let received = 0;
      for await (const part of await volume.readFile('/stream', { ...at(), format: 'stream' }))
        received += part.length;
      expect(received).toBe(20 * bytes.length);
      if (!fixture.host.certificate) {
        const half = request(`${fixture.host.apiUrl}/volumecontent/${volume.volumeId}/file?path=/half`, {
          method: 'PUT',
          headers: { authorization: `Bearer ${volume.token}`, 'content-length': 1_000 },
        });
        half.on('error', () => {});
        half.write('half', () => half.destroy());
        await new Promise((resolve) => half.once('close', resolve));
        expect(await volume.exists('/half', at())).toBe(false);
      }
      // Long enough not to be read before it is refused.
      await expect(volume.writeFile('/bytes', bytes.buffer, at())).rejects.toThrow(/409.*exists already/);
      await volume.writeFile('/bytes', 'new', { ...at(), force: true });
      expect(await volume.readFile('/bytes', at())).toBe('new');
      await sdk.Volume.destroy(volume.volumeId, fixture.connection);
    });

    test('hold directories, which are made, listed and removed', async () => {
      const volume = await make();
      await expect(volume.makeDir('/a/b', at())).rejects.toThrow(sdk.VolumePathNotFoundError);
      await expect(volume.writeFile('/a/b', '', at())).rejects.toThrow(sdk.VolumePathNotFoundError);
      expect(await volume.makeDir('/a/b/c', { ...at(), force: true })).toMatchObject({
        path: '/a/b/c',
        type: 'directory',
      });
      await volume.makeDir('/a/b/c', { ...at(), force: true });
      await expect(volume.makeDir('/a/b/c', at())).rejects.toThrow(/409/);
      await volume.writeFile('a/d/e/file', 'deep', { ...at(), force: true });
      await expect(volume.makeDir('/a/d/e/file', { ...at(), force: true })).rejects.toThrow(/409/);
      const paths = async (path: string, depth?: number) =>
        (await volume.list(path, depth === undefined ? at() : { ...at(), depth })).map((one) => one.path);
      expect(await paths('/')).toEqual(['/a']);
      expect(await paths('/a', 2)).toEqual(['/a/b', '/a/b/c', '/a/d', '/a/d/e']);
      await expect(volume.list('/none', at())).rejects.toThrow(sdk.VolumePathNotFoundError);
      await expect(volume.list('/a/d/e/file', at())).rejects.toThrow(/400.*not a directory/);
      await expect(volume.readFile('/a', at())).rejects.toThrow(/400.*directory/);
      await volume.remove('/a', at());
      expect(await volume.exists('/a', at())).toBe(false);
      await expect(volume.remove('/a', at())).rejects.toThrow(sdk.VolumePathNotFoundError);
      await expect(volume.remove('/', at())).rejects.toThrow(/400/);
      await sdk.Volume.destroy(volume.volumeId, fixture.connection);
    });

    test('tell whose files are and their mode, and change it', async () => {
      const volume = await make();
      const begun = Date.now() - 2_000;
      await volume.writeFile('/file', 'x', { ...at(), mode: 0o600 });
      const info = await volume.getInfo('/file', at());
      expect(info).toMatchObject({ name: 'file', type: 'file', size: 1, mode: 0o600 });
      for (const time of [info.atime, info.mtime, info.ctime]) expect(time.getTime()).toBeGreaterThan(begun);
      expect((await volume.updateMetadata('/file', { mode: 0o755 }, at())).mode).toBe(0o755);
      await expect(volume.updateMetadata('/none', { mode: 0o644 }, at())).rejects.toThrow(
        sdk.VolumePathNotFoundError,
      );
      await expect(volume.updateMetadata('/file', { mode: 0o4755 }, at())).rejects.toThrow(/body.mode/);
      if (fixture.isolation === 'namespaces') {
        await volume.makeDir('/dir', { ...at(), uid: 7, gid: 8, mode: 0o700 });
        expect(await volume.getInfo('/dir', at())).toMatchObject({ uid: 7, gid: 8, mode: 0o700 });
        expect(await volume.updateMetadata('/file', { uid: 5 }, at())).toMatchObject({ uid: 5, mode: 0o755 });
      }
      await sdk.Volume.destroy(volume.volumeId, fixture.connection);
    });

    test('open to nobody without their own token', async () => {
      const [one, other] = [await make(), await make()];
      await one.writeFile('/secret', 'secret', at());
      const url = `${fixture.host.apiUrl}/volumecontent/${one.volumeId}/file?path=/secret`;
      const ask = async (headers: Record<string, string>) => (await fetch(url, { headers })).status;
      expect(await ask({ authorization: `Bearer ${one.token}` })).toBe(200);
      expect(await ask({ authorization: `Bearer ${other.token}` })).toBe(401);
      expect(await ask({ authorization: 'Bearer ' })).toBe(401);
      expect(await ask({ authorization: `Basic ${one.token}` })).toBe(401);
      expect(await ask({ 'x-api-key': fixture.host.apiKey })).toBe(401);
      for (const volume of [one, other]) await sdk.Volume.destroy(volume.volumeId, fixture.connection);
    });

    test('are mounted in sandboxes, or refused where that cannot be', async () => {
      const volume = await make();
      const options = { volumeMounts: { '/mnt/data': volume } };
      if (fixture.isolation === 'none') {
        await expect(fixture.create('base', options)).rejects.toThrow(/501.*no namespaces/);
        await sdk.Volume.destroy(volume.volumeId, fixture.connection);
        return;
      }
      const writer = await fixture.create('base', options);
      expect((await writer.getInfo()).volumeMounts).toEqual([{ name: volume.name, path: '/mnt/data' }]);
      await writer.files.write('/mnt/data/hello', 'hello');
      await writer.commands.run('mkdir /mnt/data/made && ln -s hello /mnt/data/link');
      await expect(writer.files.rename('/mnt/data/hello', '/home/user/hello')).rejects.toThrow(
        /another volume/,
      );
      const reader = await fixture.create('base', { volumeMounts: { '/home/user/shared': volume.name } });
      expect((await reader.commands.run('cat shared/hello; stat -c %U shared/*')).stdout).toBe(
        'hellouser\nuser\nuser\n',
      );
      await volume.writeFile('/later', 'later', at());
      expect(await reader.files.read('shared/later')).toBe('later');
      await reader.commands.run('echo more >> shared/later');
      expect(await writer.files.read('/mnt/data/later')).toBe('latermore\n');
      expect((await volume.list('/', at())).map(({ name, type, target }) => [name, type, target])).toEqual([
        ['hello', 'file', undefined],
        ['later', 'file', undefined],
        ['link', 'symlink', 'hello'],
        ['made', 'directory', undefined],
      ]);
      await expect(sdk.Volume.destroy(volume.volumeId, fixture.connection)).rejects.toThrow(
        /409.*and 1 more/,
      );
      await writer.pause({ keepMemory: false });
      await writer.connect();
      expect(await writer.files.read('/mnt/data/hello')).toBe('hello');
      for (const sandbox of [writer, reader]) await sandbox.kill();
      expect(await volume.readFile('/later', at())).toBe('latermore\n');
      expect(await sdk.Volume.destroy(volume.volumeId, fixture.connection)).toBe(true);
    });

    test('are asked for by name and at places that make sense', async () => {
      const volume = await make();
      const mounts: [Record<string, string>, RegExp][] = [
        [{ '/mnt/data': 'nobody-made-it' }, /there is no volume "nobody-made-it"/],
        [{ data: volume.name }, /body.volumeMounts.0.path/],
        [{ '/': volume.name }, /body.volumeMounts.0.path/],
        [{ '/mnt/../etc': volume.name }, /body.volumeMounts.0.path/],
        [{ '/mnt//data': volume.name }, /body.volumeMounts.0.path/],
        [{ '/mnt/data/': volume.name }, /body.volumeMounts.0.path/],
        [{ '/mnt/data': volume.name, '/mnt/data/deep': volume.name }, /is within the mount/],
      ];
      for (const [volumeMounts, reason] of mounts) {
        await expect(fixture.create('base', { volumeMounts }), JSON.stringify(volumeMounts)).rejects.toThrow(
          reason,
        );
      }
      await sdk.Volume.destroy(volume.volumeId, fixture.connection);
    });
  },
  { withOlderSdk: true, withTls: true },
);

describeIsolated('volumes of a host that was killed', () => {
  const hosts = useHostProcesses();

  test('are there again, in the sandboxes that run on and in those that are started again', async () => {
    const { dataDir } = hosts;
    const first = await hosts.start({ dataDir, isolation: 'namespaces' });
    const { connection } = first;
    const volume = await Volume.create('kept', connection);
    const gone = await Volume.create('gone', connection);
    const options = { ...connection, volumeMounts: { '/data': volume }, timeoutMs: 300_000 };
    const [runs, files] = [await Sandbox.create(options), await Sandbox.create(options)];
    await runs.files.write('/data/runs', 'runs');
    await files.files.write('/data/files', 'files');
    await files.pause({ keepMemory: false });
    expect(await Volume.destroy(gone.volumeId, connection)).toBe(true);
    await first.kill();

    const second = await createSandboxHost({ dataDir, port: first.port, isolation: 'namespaces' });
    try {
      expect(await Volume.list(connection)).toEqual([{ volumeId: volume.volumeId, name: 'kept' }]);
      expect(await volume.readFile('/runs', connection)).toBe('runs');
      expect(await runs.files.read('/data/files')).toBe('files');
      await files.connect();
      expect(await files.files.read('/data/runs')).toBe('runs');
      await expect(Volume.destroy(volume.volumeId, connection)).rejects.toThrow(/409/);
    } finally {
      await second.close();
    }
    const third = await createSandboxHost({ dataDir, isolation: 'namespaces' });
    try {
      const { apiUrl, apiKey } = third;
      const again = await Volume.connect(volume.volumeId, { apiUrl, apiKey });
      expect((await again.list('/', { apiUrl })).map(({ name }) => name)).toEqual(['files', 'runs']);
      expect(await Volume.destroy(again.volumeId, { apiUrl, apiKey })).toBe(true);
    } finally {
      await third.close();
    }
  }, 300_000);
});
