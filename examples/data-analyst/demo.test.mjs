import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { descendantsOf } from '../processes.mjs';

const script = fileURLToPath(new URL('../../scripts/demo.mjs', import.meta.url));

let folder;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
});
afterEach(() => rmdir(folder));

/**
 * Runs the demo with a temporary folder of its own, ends it when it prints a text, and says what it left.
 * Below a shell it is the shell that is ended, as when npm gets a signal.
 */
async function runDemo({ signal, at, belowShell = false } = {}) {
  const [command, args] = belowShell
    ? ['sh', ['-c', `'${process.execPath}' '${script}'; exit`]]
    : [process.execPath, [script]];
  const child = spawn(command, args, { env: { ...process.env, TMPDIR: folder } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      if (at && !output.includes(at) && (output + text).includes(at)) child.kill(signal);
      output += text;
    });
  }
  const ended = once(child, 'close');
  const seen = new Set();
  const look = async () => {
    for (const { pid } of await descendantsOf(child.pid)) seen.add(pid);
  };
  // What cannot be looked at now can be the next time.
  const watch = setInterval(() => look().catch(() => {}), 50);
  const [code] = await ended;
  clearInterval(watch);
  return { code, output, left: await stillRunning(seen), files: await readdir(folder) };
}

/** Which of these processes are there after the time the system needs to end a killed one. */
async function stillRunning(pids) {
  let left = [...pids];
  for (let attempt = 0; attempt < 400 && left.length > 0; attempt++) {
    left = left.filter(isRunning);
    if (left.length > 0) await sleep(50);
  }
  return left;
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the demo', () => {
  test('answers both questions and leaves no process and no file', { timeout: 240_000 }, async () => {
    const { code, output, left, files } = await runDemo();
    expect(output).toContain('weather.csv: 2922 rows, 7 columns');
    expect(output).toContain('(Seattle) is highest for month 8 (26.11)');
    expect(output).toContain('it used 0 ms of CPU in one second');
    expect(output).toContain('(New York) is highest for month 7 (29.5)');
    expect({ code, left, files }).toEqual({ code: 0, left: [], files: [] });
  });

  test.each([
    ['SIGINT', 'A sandbox host listens', 130],
    ['SIGTERM', 'Deploying', 143],
    ['SIGINT', 'Creating a session', 130],
    ['SIGTERM', 'rows, 7 columns', 143],
    ['SIGINT', 'Pausing', 130],
    ['SIGTERM', 'CPU in one second', 143],
    ['SIGINT', 'Closing the session', 130],
  ])('leaves nothing either when %s ends it at "%s"', { timeout: 240_000 }, async (signal, at, exitCode) => {
    const { code, left, files } = await runDemo({ signal, at });
    expect({ code, left, files }).toEqual({ code: exitCode, left: [], files: [] });
  });

  test('leaves nothing when the shell it runs below is ended', { timeout: 240_000 }, async () => {
    const { left, files } = await runDemo({ signal: 'SIGTERM', at: 'Deploying', belowShell: true });
    expect({ left, files }).toEqual({ left: [], files: [] });
  });
});
