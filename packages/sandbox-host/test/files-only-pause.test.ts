import { Template, waitForPort } from 'e2b';
import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

const server = `const { appendFileSync, readFileSync } = require('node:fs');
appendFileSync('starts', 'start ');
require('node:http').createServer((request, response) => response.end(readFileSync('starts'))).listen(8080);`;

describeHosts('a pause that keeps the files alone', (fixture) => {
  test('ends the processes, and a resume starts the template on the files that are there', async () => {
    const template = Template()
      .fromTemplate('base')
      .runCmd(`cat > server.js <<'END'\n${server}\nEND`)
      .setStartCmd('node server.js', waitForPort(8080));
    await Template.build(template, `files-${fixture.isolation}`, fixture.connection);
    const sandbox = await fixture.create(`files-${fixture.isolation}`);
    await sandbox.commands.run('echo kept > file; echo too > "$HOME/other"');
    // Without namespaces every process of the machine is seen, so this one is told by its number.
    const seconds = 1_000_000 + Math.floor(Math.random() * 1_000_000);
    const background = sandbox.commands.run(`sleep ${seconds}`, { timeoutMs: 0 });
    background.catch(() => {});
    const starts = async (): Promise<string> => {
      const response = await fetch(fixture.host.sandboxUrl, {
        headers: { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' },
      });
      return `${response.status} ${await response.text()}`;
    };
    expect(await starts()).toBe('200 start ');
    expect(await sandbox.pause({ keepMemory: false })).toBe(true);
    expect(await sandbox.pause({ keepMemory: false })).toBe(false);
    await expect(background).rejects.toThrow();
    expect((await sandbox.getInfo()).state).toBe('paused');
    expect(await starts()).toMatch(/^502/);
    for (let times = 2; times < 4; times++) {
      await sandbox.connect();
      expect(await starts()).toBe(`200 ${'start '.repeat(times)}`);
      expect(
        (await sandbox.commands.run(`cat file other; grep -slz "^${seconds}$" /proc/[0-9]*/cmdline | wc -l`))
          .stdout,
      ).toBe('kept\ntoo\n0\n');
      await sandbox.pause({ keepMemory: false });
    }
    await sandbox.connect();
    // With its memory kept, but not wanted any more.
    await sandbox.pause();
    await sandbox.connect({ onResume: 'reboot' });
    expect(await starts()).toBe(`200 ${'start '.repeat(5)}`);
    await sandbox.pause({ keepMemory: false });
    expect(await sandbox.kill()).toBe(true);
  }, 180_000);

  test.each([
    [true, 'kept'],
    [false, 'gone'],
  ])(
    'is what a timeout makes of a sandbox that asks for it (memory: %s)',
    async (keepMemory, remains) => {
      const sandbox = await fixture.create('base', {
        timeoutMs: 600_000,
        lifecycle: { onTimeout: { action: 'pause', keepMemory } },
      });
      await sandbox.files.write('file', 'kept');
      const command = await sandbox.commands.run('exec sleep 600', { background: true, timeoutMs: 0 });
      command.wait().catch(() => {});
      await sandbox.setTimeout(1_000);
      await expect.poll(async () => (await sandbox.getInfo()).state, { timeout: 60_000 }).toBe('paused');
      await sandbox.connect({ timeoutMs: 600_000 });
      expect(await sandbox.files.read('file')).toBe('kept');
      const pids = (await sandbox.commands.list()).map(({ pid }) => pid);
      expect(pids.includes(command.pid) ? 'kept' : 'gone').toBe(remains);
      await sandbox.kill();
    },
    180_000,
  );
});
