import { expect, test } from 'vitest';
import type { Surface } from './surface.js';

/** Programs: commands, their handles, and terminals. */
export function commands({ fixture }: Surface): void {
  test('commands: by their pids', async () => {
    const sandbox = await fixture.create();
    expect((await sandbox.commands.run('echo here')).stdout).toBe('here\n');
    const { pid } = await sandbox.commands.run('cat', { background: true, stdin: true, timeoutMs: 0 });
    expect((await sandbox.commands.list()).map((one) => one.pid)).toContain(pid);
    const joined = await sandbox.commands.connect(pid, { timeoutMs: 0 });
    await sandbox.commands.sendStdin(pid, 'typed');
    await sandbox.commands.closeStdin(pid);
    expect(await joined.wait()).toMatchObject({ exitCode: 0, stdout: 'typed' });
    const sleeper = await sandbox.commands.run('sleep 1000', { background: true, timeoutMs: 0 });
    expect(await sandbox.commands.kill(sleeper.pid)).toBe(true);
    await expect(sleeper.wait()).rejects.toThrow();
    await sandbox.kill();
  });

  test('commands: by their handles', async () => {
    const sandbox = await fixture.create();
    const start = () => sandbox.commands.run('cat', { background: true, stdin: true, timeoutMs: 0 });
    const one = await start();
    await one.sendStdin('typed');
    await one.closeStdin();
    expect((await one.wait()).stdout).toBe('typed');
    const other = await start();
    await other.disconnect();
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(other.pid);
    expect(await other.kill()).toBe(true);
    await expect.poll(() => other.kill(), { timeout: 10_000 }).toBe(false);
    await sandbox.kill();
  });

  test('terminals', async () => {
    const sandbox = await fixture.create();
    let seen = '';
    const options = {
      timeoutMs: 0,
      onData: (data: Uint8Array): void => {
        seen += new TextDecoder().decode(data);
      },
    };
    const { pid } = await sandbox.pty.create({ ...options, cols: 80, rows: 24 });
    await sandbox.pty.resize(pid, { cols: 77, rows: 22 });
    await sandbox.pty.connect(pid, options);
    await sandbox.pty.sendInput(pid, new TextEncoder().encode('echo "[$(stty size)]"\n'));
    await expect.poll(() => seen, { timeout: 15_000 }).toContain('[22 77]');
    expect(await sandbox.pty.kill(pid)).toBe(true);
    await sandbox.kill();
  });
}
