import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

/** Makes a tree deeper than any path can be long (PATH_MAX), with a file at its end and one beside each directory. */
const deepTree = `
import os
os.makedirs('deep', exist_ok=True)
os.chdir('deep')
for n in range(2000):
    os.mkdir('dd')
    if n % 100 == 0: open('file', 'w').close()
    os.chdir('dd')
open('end', 'w').write('the end')`;
/** What has no content, beside what has. */
const oddFiles = `
import os, socket
os.makedirs('odd', exist_ok=True)
os.mkfifo('odd/pipe')
socket.socket(socket.AF_UNIX).bind('odd/socket')
os.symlink('nowhere', 'odd/broken')`;

/** Names that Linux allows and that are no UTF-8, as an old archive has them. */
const oldNames = `
import os
os.makedirs(b'old/d\\xe9part', exist_ok=True)
open(b'old/caf\\xe9.txt', 'w').write('noir')
open(b'old/d\\xe9part/here', 'w').close()
open('old/plain', 'w').close()`;

describeHosts('files that are out of the ordinary', (fixture) => {
  test('names that are not UTF-8 are listed with U+FFFD in them, and go with their folder', async () => {
    const sandbox = await fixture.create();
    await sandbox.files.write('old.py', oldNames);
    await sandbox.commands.run('python3 old.py');
    const shown = await sandbox.files.list('old', { depth: 2 });
    expect(shown.map(({ name, type, size }) => [name, type, size])).toEqual([
      ['caf\ufffd.txt', 'file', 4],
      ['d\ufffdpart', 'dir', expect.any(Number)],
      ['here', 'file', 0],
      ['plain', 'file', 0],
    ]);
    await expect(sandbox.files.read('old/caf\ufffd.txt')).rejects.toThrow(/not found|does not exist/i);
    await sandbox.files.rename('old', 'moved');
    expect(await sandbox.files.list('moved')).toHaveLength(3);
    await sandbox.files.remove('moved');
    expect(await sandbox.files.exists('moved')).toBe(false);
    await sandbox.kill();
  });

  test('files and programs agree on /tmp, and what was put there ends with the sandbox', async () => {
    const sandbox = await fixture.create();
    const name = `agreed-${sandbox.sandboxId}`;
    await sandbox.files.write(`/tmp/${name}/in/it`, 'written');
    expect((await sandbox.commands.run(`cat /tmp/${name}/in/it`)).stdout).toBe('written');
    await sandbox.commands.run(`echo by a program > /tmp/${name}/out`);
    expect(await sandbox.files.read(`/tmp/${name}/out`)).toBe('by a program\n');
    await sandbox.files.rename(`/tmp/${name}/out`, '/home/user/out');
    expect(await sandbox.files.read('/home/user/out')).toBe('by a program\n');
    await sandbox.files.rename('/home/user/out', `/tmp/${name}/back`);
    expect((await sandbox.commands.run(`cat /tmp/${name}/back`)).stdout).toBe('by a program\n');
    const { stdout } = await sandbox.commands.run('f=$(mktemp) && echo made > "$f" && printf %s "$f"');
    expect(await sandbox.files.read(stdout)).toBe('made\n');
    await sandbox.kill();
    expect(existsSync(`/tmp/${name}`)).toBe(false);
  });

  test('a tree deeper than a path can be long is made, listed, looked at, written to, moved and removed', async () => {
    const sandbox = await fixture.create();
    await sandbox.files.write('deep.py', deepTree);
    await sandbox.commands.run('python3 deep.py');
    const end = `deep/${'dd/'.repeat(2_000)}`;
    expect(await sandbox.files.read(`${end}end`)).toBe('the end');
    expect((await sandbox.files.getInfo(`${end}end`)).size).toBe(7);
    expect((await sandbox.files.list(end)).map(({ name }) => name)).toEqual(['end']);
    const all = await sandbox.files.list('deep', { depth: 3_000 });
    expect(all.length).toBe(2_000 + 20 + 1);
    expect(all.filter(({ name }) => name === 'file')).toHaveLength(20);
    await sandbox.files.write(`${end}more`, 'more');
    expect(await sandbox.files.makeDir(`${end}${'m/'.repeat(600)}`)).toBe(true);
    expect(await sandbox.files.read(`${end}${'m/'.repeat(600)}${'../'.repeat(600)}more`)).toBe('more');
    await sandbox.files.rename(`${end}more`, 'more');
    expect(await sandbox.files.read('more')).toBe('more');
    await sandbox.files.remove('deep');
    expect(await sandbox.files.exists('deep')).toBe(false);
    await sandbox.kill();
  });

  test('what has no content of its own is refused in words, at once', async () => {
    const sandbox = await fixture.create();
    await sandbox.files.write('odd.py', oddFiles);
    await sandbox.commands.run('python3 odd.py');
    const targets = [
      'odd/pipe',
      'odd/socket',
      '/',
      '.',
      ...(fixture.isolation === 'none' ? [] : ['/dev/tty', '/dev/null']),
    ];
    for (const path of targets) {
      await expect(sandbox.files.read(path), path).rejects.toThrow(
        /is a (named pipe|socket|directory|device), not a regular file/,
      );
      await expect(sandbox.files.write(path, 'x'), path).rejects.toThrow(
        /is a (named pipe|socket|directory|device), not a regular file/,
      );
    }
    await expect(sandbox.files.list('odd/pipe')).rejects.toThrow('is not a directory');
    await expect(sandbox.files.watchDir('odd/socket', () => {})).rejects.toThrow('is not a directory');
    await expect(sandbox.files.remove('/')).rejects.toThrow('cannot be removed');
    await expect(sandbox.files.rename('/', 'elsewhere')).rejects.toThrow(/in use|cannot be/);
    await expect(sandbox.files.makeDir('odd/pipe')).rejects.toThrow('is a named pipe, not a directory');
    await expect(sandbox.files.makeDir('odd.py')).rejects.toThrow('is a file, not a directory');
    await expect(sandbox.files.makeDir('odd.py/below')).rejects.toThrow('not a directory');
    expect(await sandbox.files.makeDir('odd')).toBe(false);
    for (const name of ['broken', 'pipe', 'socket'])
      expect(await sandbox.files.exists(`odd/${name}`)).toBe(true);
    await sandbox.files.remove('odd');
    await sandbox.kill();
  });

  test('many followed commands warn of nothing', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): unknown => warnings.push(name);
    process.on('warning', onWarning);
    const sandbox = await fixture.create();
    const commands = await Promise.all(
      Array.from({ length: 15 }, () =>
        sandbox.commands.run('exec sleep 600', { background: true, timeoutMs: 0 }),
      ),
    );
    await Promise.all(commands.map((command) => command.kill()));
    await sandbox.kill();
    process.off('warning', onWarning);
    expect(warnings.filter((name) => name.startsWith('MaxListeners'))).toEqual([]);
  });

  test("the tags of the host's own template stay", async () => {
    const { apiUrl, apiKey } = fixture.host;
    const init = {
      method: 'DELETE',
      headers: { 'x-api-key': apiKey },
      body: JSON.stringify({ name: 'base', tags: ['default'] }),
    };
    if (apiUrl.startsWith('http:')) expect((await fetch(`${apiUrl}/templates/tags`, init)).status).toBe(403);
    await (await fixture.create('base')).kill();
  });
});
