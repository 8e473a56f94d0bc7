import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { canIsolate, deployed, needsIsolation, processesIn } from '../deployed.mjs';
import { deploy } from './deploy.mjs';

const place = deployed('code-executor', deploy);
const hasPython = existsSync('/usr/bin/python3');
const pythonTest = test.skipIf(!hasPython);
const why = hasPython ? '' : ' (skipped: this machine has no /usr/bin/python3)';

/** Runs code in a session of its own and gives what came of it. */
async function run(request) {
  const session = await place.session();
  return gather(await session.stream(request).collect());
}

function gather(events) {
  const text = (type) =>
    events
      .filter((event) => event.type === type)
      .map((event) => event.text)
      .join('');
  const files = events.filter(({ type }) => type === 'file');
  return { stdout: text('stdout'), stderr: text('stderr'), files, exit: events.at(-1) };
}

const decode = ({ base64 }) => Buffer.from(base64, 'base64').toString();

describe.skipIf(!canIsolate)(`the code executor, in a sandbox (${needsIsolation})`, () => {
  pythonTest(`gives what Python writes as it comes, and the files it made${why}`, async () => {
    const session = await place.session();
    const sandbox = await place.sandbox(session);
    const code = `
import os, sys, time
print('first ' + sys.stdin.read())
while not os.path.exists('/tmp/go'): time.sleep(0.01)
print('problem', file=sys.stderr)
open('made.txt', 'w').write(open('given/in.txt').read().upper())
os.mkdir('deep'); open('deep/data.bin', 'wb').write(bytes(range(4)))
os.symlink('/etc/passwd', 'link')
sys.exit(3)`;
    const files = [{ path: 'given/in.txt', base64: Buffer.from('hello').toString('base64') }];
    const events = [];
    for await (const event of session.stream({ language: 'python', code, files, stdin: 'input' })) {
      // It goes on only when its first words have come through.
      if (events.length === 0) await sandbox.files.write('/tmp/go', '');
      events.push(event);
    }
    const { stdout, stderr, files: made, exit } = gather(events);
    expect({ stdout, stderr }).toEqual({ stdout: 'first input\n', stderr: 'problem\n' });
    expect(made.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['deep/data.bin', 4],
      ['made.txt', 5],
    ]);
    expect(decode(made[1])).toBe('HELLO');
    expect(exit).toMatchObject({ type: 'exit', exitCode: 3, signal: null });
  });

  test('runs JavaScript, in an environment of its own', async () => {
    const code = `
import { writeFileSync } from 'node:fs';
console.log(Object.keys(process.env).sort().join());
writeFileSync('made.json', JSON.stringify({ n: 42 }));`;
    const { stdout, files, exit } = await run({ language: 'node', code });
    expect(stdout).toBe('HOME,LANG,PATH,TMPDIR\n');
    expect(files.map(decode)).toEqual(['{"n":42}']);
    expect(exit).toMatchObject({ exitCode: 0 });
  });

  test('leaves nothing of a run to the next one', async () => {
    const session = await place.session();
    const code = `
import { readdirSync, writeFileSync } from 'node:fs';
console.log(readdirSync('.').join());
console.log(readdirSync('..').filter((name) => name.startsWith('run-')).length);
writeFileSync('left.txt', 'x');`;
    for (let i = 0; i < 2; i += 1) {
      const { stdout } = gather(await session.stream({ language: 'node', code }).collect());
      expect(stdout).toBe('main.mjs\n1\n');
    }
  });

  test('removes what code has closed or buried deeper than any path', async () => {
    const session = await place.session();
    const code = `
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
console.log(readdirSync('..').filter((name) => name.startsWith('run-')).length);
mkdirSync('closed/inside', { recursive: true });
writeFileSync('closed/inside/file', '');
for (const path of ['closed/inside', 'closed']) chmodSync(path, 0o555);
for (let level = 0; level < 500; level += 1) {
  mkdirSync('deep-and-deeper');
  process.chdir('deep-and-deeper');
}`;
    for (let i = 0; i < 2; i += 1) {
      const { stdout, exit } = gather(await session.stream({ language: 'node', code }).collect());
      expect(stdout).toBe('1\n');
      expect(exit).toMatchObject({ exitCode: 0 });
    }
  });

  test('kills a run that takes too long, and all that it started', async () => {
    const session = await place.session();
    const code = `
import { spawn } from 'node:child_process';
spawn('sleep', ['98765'], { stdio: 'inherit' }).on('spawn', () => console.log('started'));`;
    const request = { language: 'node', code, limits: { timeoutMs: 6_000 } };
    const { stdout, exit } = gather(await session.stream(request).collect());
    expect(stdout).toBe('started\n');
    expect(exit).toMatchObject({ signal: 'SIGKILL', stopped: 'timeout' });
    const sandbox = await place.sandbox(session);
    await expect
      .poll(() => processesIn(sandbox), { timeout: 10_000 })
      .not.toContainEqual(expect.stringMatching(/^sleep 98765/));
  });

  test('does not wait for what a run left behind with its output open', async () => {
    const code = `
import { spawn } from 'node:child_process';
spawn('sleep', ['76543'], { stdio: 'inherit', detached: true }).on('spawn', () => process.exit(5));`;
    const { exit } = await run({ language: 'node', code, limits: { timeoutMs: 300_000 } });
    expect(exit).toMatchObject({ exitCode: 5 });
    expect(exit).not.toHaveProperty('stopped');
  });

  test('kills a run whose caller leaves', async () => {
    const session = await place.session();
    const sandbox = await place.sandbox(session);
    const code = "console.log('started'); setInterval(() => {}, 1000);";
    for await (const event of session.stream({ language: 'node', code })) {
      expect(event).toEqual({ type: 'stdout', text: 'started\n' });
      expect(await processesIn(sandbox)).toContainEqual(expect.stringContaining('main.mjs'));
      break;
    }
    await expect
      .poll(() => processesIn(sandbox), { timeout: 10_000 })
      .not.toContainEqual(expect.stringContaining('main.mjs'));
  });

  test('ends a run that writes too much, and passes no more of it on', async () => {
    const code = `
const line = 'x'.repeat(999) + '\\n';
const more = () => { while (process.stdout.write(line)); process.stdout.once('drain', more); };
more();`;
    const { stdout, exit } = await run({ language: 'node', code, limits: { outputBytes: 100_000 } });
    expect(stdout.length).toBeLessThanOrEqual(100_000);
    expect(exit).toMatchObject({ signal: 'SIGKILL', stopped: 'output' });
  });

  test('holds a run to its memory', { timeout: 60_000 }, async () => {
    const code =
      "const kept = []; for (let i = 0; i < 12; i += 1) kept.push(Buffer.alloc(2 ** 25, 1)); console.log('had it');";
    const few = await run({ language: 'node', code, limits: { memoryMB: 256 } });
    expect(few.stdout).toBe('');
    expect(few.exit).not.toMatchObject({ exitCode: 0 });
    const many = await run({ language: 'node', code, limits: { memoryMB: 1_024 } });
    expect(many).toMatchObject({ stdout: 'had it\n', stderr: '', exit: { exitCode: 0, signal: null } });
  });

  test('ends a run that has too many processes, also those in groups of their own', async () => {
    const session = await place.session();
    const code = `
import { spawn } from 'node:child_process';
for (let i = 0; i < 60; i += 1) spawn('bash', ['-c', 'set -m; sleep 87654 & wait']);`;
    const { exit } = gather(
      await session.stream({ language: 'node', code, limits: { processes: 40 } }).collect(),
    );
    expect(exit).toMatchObject({ signal: 'SIGKILL', stopped: 'processes' });
    const sandbox = await place.sandbox(session);
    await expect
      .poll(() => processesIn(sandbox), { timeout: 30_000 })
      .not.toContainEqual(expect.stringContaining('87654'));
  });

  test('reaches nothing, for its template says so', async () => {
    const session = await place.session();
    const { network, allowInternetAccess } = await (await place.sandbox(session)).getInfo();
    expect({ network, allowInternetAccess }).toMatchObject({ allowInternetAccess: false });
  });

  test('says what is wrong with a request', async () => {
    const session = await place.session();
    const files = [{ path: '../out', base64: '' }];
    await expect(session.invoke({ language: 'node', code: '1', files })).rejects.toMatchObject({
      name: 'ValidationError',
      issues: [expect.objectContaining({ path: ['files', 0, 'path'] })],
    });
  });
});
