import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnInTerminal } from '@lydell/node-pty';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { describeHosts } from './with-host.js';

// Each command is a program of its own to start.
vi.setConfig({ testTimeout: 60_000 });

const cli = createRequire(import.meta.url).resolve('@e2b/cli/dist/index.js');
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours and cursor movements begin so.
const escapes = /\u001b\[[0-9;?]*[A-Za-z]/g;

describeHosts("E2B's own command line", (fixture) => {
  let home: string;
  let sandbox: Sandbox;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'cli-home-'));
    sandbox = await fixture.create('base', { timeoutMs: 600_000, metadata: { made: 'by a test' } });
  });
  afterAll(async () => {
    await sandbox?.kill();
    await rm(home, { recursive: true, force: true });
  });

  const environment = (): Record<string, string> => ({
    PATH: process.env.PATH ?? '',
    HOME: home,
    TERM: 'xterm',
    NO_UPDATE_NOTIFIER: '1',
    E2B_API_KEY: fixture.host.apiKey,
    E2B_API_URL: fixture.host.apiUrl,
    E2B_SANDBOX_URL: fixture.host.sandboxUrl,
  });

  function e2b(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [cli, ...args], {
        env: environment(),
        cwd: home,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout: stdout.replace(escapes, ''), stderr }));
    });
  }

  test('lists sandboxes and tells about one', async () => {
    const list = await e2b('sandbox', 'list', '--format', 'json');
    expect(JSON.parse(list.stdout)).toContainEqual(
      expect.objectContaining({ sandboxId: sandbox.sandboxId, metadata: { made: 'by a test' } }),
    );
    const info = await e2b('sandbox', 'info', sandbox.sandboxId);
    expect(info.stdout).toContain(sandbox.sandboxId);
  });

  test('runs a command, hands on its output and ends with its code', async () => {
    const ran = await e2b('sandbox', 'exec', sandbox.sandboxId, 'sh', '-c', 'echo out; echo err >&2; exit 7');
    expect(ran).toMatchObject({ code: 7, stdout: 'out\n' });
    expect(ran.stderr).toContain('err');
  });

  test('connects a terminal to a sandbox', async () => {
    const terminal = spawnInTerminal(
      process.execPath,
      [cli, 'sandbox', 'connect', '--env', 'GREETING=hello', sandbox.sandboxId],
      { cwd: home, env: environment(), cols: 90, rows: 25 },
    );
    let seen = '';
    terminal.onData((text) => {
      seen += text;
    });
    const ended = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
    const expectSeen = (pattern: RegExp) =>
      expect.poll(() => seen.replace(escapes, ''), { timeout: 40_000 }).toMatch(pattern);
    try {
      await expectSeen(/[$#] $/);
      terminal.write('echo "[$GREETING $(stty size)]"\r');
      await expectSeen(/\[hello 25 90\]/);
      terminal.write('exit\r');
      await ended;
    } finally {
      terminal.kill();
    }
  });

  test('pauses, resumes and kills', async () => {
    const own = await fixture.create('base', { timeoutMs: 600_000 });
    expect(await e2b('sandbox', 'pause', own.sandboxId)).toMatchObject({ code: 0 });
    expect((await own.getInfo()).state).toBe('paused');
    expect(await e2b('sandbox', 'resume', own.sandboxId)).toMatchObject({ code: 0 });
    expect((await own.getInfo()).state).toBe('running');
    expect(await e2b('sandbox', 'kill', own.sandboxId)).toMatchObject({ code: 0 });
    await expect(own.getInfo()).rejects.toThrow(/not found/);
  });

  test('builds a template from a Dockerfile, lists it and deletes it', async () => {
    await writeFile(
      join(home, 'Dockerfile'),
      'FROM e2bdev/base\nWORKDIR /home/user\nRUN echo built > built.txt\n',
    );
    const built = await e2b('template', 'create', 'from-the-cli', '-d', 'Dockerfile');
    expect(built, built.stdout + built.stderr).toMatchObject({ code: 0 });
    const own = await fixture.create('from-the-cli');
    expect(await own.files.read('built.txt')).toBe('built\n');
    await own.kill();
    const list = await e2b('template', 'list', '--format', 'json');
    expect(list.stdout).toContain('from-the-cli');
    expect(await e2b('template', 'delete', '-y', 'from-the-cli')).toMatchObject({ code: 0 });
    expect((await e2b('template', 'list', '--format', 'json')).stdout).not.toContain('from-the-cli');
  });

  test('says what is wrong', async () => {
    const missing = await e2b('sandbox', 'info', 'nosuchsandbox');
    expect(missing.code).not.toBe(0);
    expect(missing.stdout + missing.stderr).toMatch(/wasn't found/);
  });
});
