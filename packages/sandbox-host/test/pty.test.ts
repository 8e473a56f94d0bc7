import { expect, test } from 'vitest';
import { describeHosts } from './with-host.js';

describeHosts(
  'a pseudo-terminal',
  (fixture) => {
    test('runs an interactive shell, takes input and new sizes, and tells how it ended', async () => {
      const sandbox = await fixture.create();
      const decoder = new TextDecoder();
      let seen = '';
      const terminal = await sandbox.pty.create({
        cols: 100,
        rows: 30,
        envs: { GREETING: 'hello' },
        timeoutMs: 0,
        onData: (data) => {
          seen += decoder.decode(data, { stream: true });
        },
      });
      const type = (text: string) => sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode(text));
      const expectSeen = (pattern: RegExp) => expect.poll(() => seen, { timeout: 15_000 }).toMatch(pattern);
      await type('echo "[$GREETING $(stty size) $TERM]"; [ -t 0 ] && echo is""terminal\n');
      await expectSeen(/\[hello 30 100 xterm-256color\]/);
      await expectSeen(/isterminal/);
      await sandbox.pty.resize(terminal.pid, { cols: 77, rows: 22 });
      await type('echo "<$(stty size)>"\n');
      await expectSeen(/<22 77>/);
      expect((await sandbox.commands.list()).map((one) => one.pid)).toContain(terminal.pid);
      await type('exit 5\n');
      await expect(terminal.wait()).rejects.toMatchObject({ exitCode: 5 });
      await sandbox.kill();
    });

    test('can be left, joined again and killed', async () => {
      const sandbox = await fixture.create();
      const first = await sandbox.pty.create({ cols: 80, rows: 24, timeoutMs: 0, onData: () => {} });
      await first.disconnect();
      let seen = '';
      const again = await sandbox.pty.connect(first.pid, {
        timeoutMs: 0,
        onData: (data) => {
          seen += new TextDecoder().decode(data);
        },
      });
      await sandbox.pty.sendInput(first.pid, new TextEncoder().encode('echo still""here\n'));
      await expect.poll(() => seen, { timeout: 15_000 }).toContain('stillhere');
      expect(await sandbox.pty.kill(first.pid)).toBe(true);
      await expect(again.wait()).rejects.toThrow();
      expect(await sandbox.pty.kill(first.pid)).toBe(false);
      await expect(
        sandbox.pty.create({ cols: 80, rows: 24, cwd: '/nowhere', onData: () => {} }),
      ).rejects.toThrow(/\/nowhere does not exist/);
      await sandbox.kill();
    });
  },
  { withOlderSdk: true, withTls: true },
);
