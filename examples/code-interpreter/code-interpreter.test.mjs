import { existsSync } from 'node:fs';
import { Sandbox } from '@e2b/code-interpreter';
import { createSandboxHost } from '@sandpiper/sandbox-host';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canIsolate, needsIsolation } from '../deployed.mjs';
import { deploy } from './deploy.mjs';

const hasPython = existsSync('/usr/bin/python3');
const needs = hasPython ? needsIsolation : 'skipped: this machine has no /usr/bin/python3';

describe.skipIf(!canIsolate || !hasPython)(`E2B's code interpreter (${needs})`, () => {
  let host;
  let sandbox;
  beforeAll(async () => {
    host = await createSandboxHost();
    const { apiKey, apiUrl, sandboxUrl } = host;
    await deploy('code-interpreter-v1', { apiKey, apiUrl });
    // The SDK's own default template.
    sandbox = await Sandbox.create({ apiKey, apiUrl, sandboxUrl, envs: { OF_SANDBOX: 'wörld' } });
  }, 120_000);
  afterAll(async () => {
    await sandbox?.kill();
    await host?.close();
  });

  test('keeps what a run leaves for the next one, and counts them', async () => {
    const first = await sandbox.runCode('x = 1');
    const second = await sandbox.runCode('x += 1; x');
    expect(second.text).toBe('2');
    expect(second.executionCount).toBe(first.executionCount + 1);
    expect((await sandbox.runCode('import asyncio\nawait asyncio.sleep(0, "awaited")')).text).toBe(
      "'awaited'",
    );
  });

  test('streams output and results as they come', async () => {
    const seen = [];
    const execution = await sandbox.runCode(
      `import sys, subprocess
print('first é漢😀')
print('problem', file=sys.stderr)
subprocess.run(['echo', 'of a child'])
display('shown')
'last'`,
      {
        onStdout: ({ line }) => void seen.push(['stdout', line]),
        onStderr: ({ line }) => void seen.push(['stderr', line]),
        onResult: ({ text }) => void seen.push(['result', text]),
      },
    );
    expect(execution.logs.stdout.join('')).toBe('first é漢😀\nof a child\n');
    expect(execution.logs.stderr.join('')).toBe('problem\n');
    expect(seen.filter(([kind]) => kind === 'result')).toEqual([
      ['result', "'shown'"],
      ['result', "'last'"],
    ]);
    expect(seen.findIndex(([kind]) => kind === 'stdout')).toBeLessThan(
      seen.findIndex(([kind]) => kind === 'result'),
    );
    expect(execution.results.map(({ isMainResult }) => isMainResult)).toEqual([false, true]);
  });

  test('writes come before the run ends', async () => {
    let went;
    await sandbox.runCode(
      `import os, time
print('begun')
while not os.path.exists('/tmp/go'): time.sleep(0.01)`,
      {
        onStdout: () => {
          went ??= sandbox.files.write('/tmp/go', '');
        },
      },
    );
    await went;
  });

  test('gives errors with their name, value and traceback', async () => {
    let told;
    const { error, results } = await sandbox.runCode('def f():\n  return 1 / 0\nf()', {
      onError: (e) => (told = e),
    });
    expect(error).toMatchObject({ name: 'ZeroDivisionError', value: 'division by zero' });
    expect(error.traceback).toMatch(/<cell \d+>", line 2, in f\n.*return 1 \/ 0/s);
    expect(error.traceback).not.toContain('python_kernel');
    expect(told).toEqual(error);
    expect(results).toEqual([]);
    expect((await sandbox.runCode('1 +')).error).toMatchObject({ name: 'SyntaxError' });
    expect((await sandbox.runCode('import sys; sys.exit(3)')).error).toMatchObject({
      name: 'SystemExit',
      value: '3',
    });
  });

  test('gives what objects show of themselves', async () => {
    const { results } = await sandbox.runCode(`
class Table:
    def _repr_html_(self): return '<table></table>'
    def _repr_png_(self): return b'\\x89PNG'
    def _repr_json_(self): return {'rows': [1, 2]}
    def _repr_svg_(self): raise ValueError()
    def __repr__(self): return 'Table'
Table()`);
    expect(results[0]).toMatchObject({
      text: 'Table',
      html: '<table></table>',
      png: 'iVBORw==',
      json: { rows: [1, 2] },
    });
    expect(results[0].formats()).toEqual(['html', 'png', 'json']);
    const { text: has } = await sandbox.runCode(
      "import importlib.util; importlib.util.find_spec('matplotlib') is not None",
    );
    const { results: pictures, error } = await sandbox.runCode(
      'import matplotlib.pyplot as plt; plt.plot([1, 3, 2]); plt.show()',
    );
    if (has === 'True') expect(Buffer.from(pictures[0].png, 'base64').toString('latin1', 1, 4)).toBe('PNG');
    else expect(error.name).toBe('ModuleNotFoundError');
  });

  test('has contexts of their own: made, listed, restarted and removed', async () => {
    const context = await sandbox.createCodeContext({ cwd: '/tmp' });
    expect(context).toMatchObject({ language: 'python', cwd: '/tmp' });
    await sandbox.runCode('x = 7', { context });
    expect((await sandbox.runCode('import os; (x, os.getcwd())', { context })).text).toBe("(7, '/tmp')");
    const other = await sandbox.createCodeContext();
    expect((await sandbox.runCode('x', { context: other })).error).toMatchObject({ name: 'NameError' });
    expect(await sandbox.listCodeContexts()).toEqual(expect.arrayContaining([context, other]));
    await sandbox.restartCodeContext(context);
    const again = await sandbox.runCode('x', { context });
    expect([again.error.name, again.executionCount]).toEqual(['NameError', 1]);
    await sandbox.removeCodeContext(context);
    await sandbox.removeCodeContext(other.id);
    const ids = (await sandbox.listCodeContexts()).map(({ id }) => id);
    expect(ids).not.toContain(context.id);
    await expect(sandbox.runCode('1', { context })).rejects.toThrow('not found');
    await expect(sandbox.createCodeContext({ cwd: '/nowhere' })).rejects.toThrow('400');
    await expect(sandbox.runCode('1', { language: 'cobol' })).rejects.toThrow('400');
  });

  test('gives a run its variables, over those of the sandbox', async () => {
    // The kernel has read them from envd inside.
    const read = "import os; [os.environ.get(name) for name in ('OF_SANDBOX', 'OF_RUN')]";
    expect((await sandbox.runCode(read)).text).toBe("['wörld', None]");
    const envs = { OF_RUN: 'a "b"\n$c', OF_SANDBOX: 'over' };
    expect((await sandbox.runCode(read, { envs })).text).toBe(String.raw`['over', 'a "b"\n$c']`);
    expect((await sandbox.runCode(read)).text).toBe("['wörld', None]");
    const inBash = { language: 'bash', envs };
    expect((await sandbox.runCode('printf %s "$OF_RUN"', inBash)).logs.stdout.join('')).toBe(envs.OF_RUN);
    const after = await sandbox.runCode('echo "$OF_SANDBOX" "$(printenv OF_RUN || echo unset)"', {
      language: 'bash',
    });
    expect(after.logs.stdout.join('')).toBe('wörld unset\n');
    const inNode = { language: 'js', envs };
    expect((await sandbox.runCode('process.env.OF_RUN', inNode)).text).toBe(`'a "b"\\n$c'`);
    expect((await sandbox.runCode('process.env.OF_RUN === undefined', { language: 'js' })).text).toBe('true');
  });

  test('runs JavaScript and bash as well, with what they leave', async () => {
    const js = { language: 'javascript' };
    await sandbox.runCode("const greet = async (name) => 'hello ' + name;", js);
    expect((await sandbox.runCode("console.log('said'); await greet('you')", js)).toJSON()).toMatchObject({
      logs: { stdout: ['said\n'] },
      results: [{ text: "'hello you'" }],
    });
    const { error } = await sandbox.runCode("throw new TypeError('wrong')", js);
    expect(error).toMatchObject({
      name: 'TypeError',
      value: 'wrong',
      traceback: expect.stringContaining('<cell'),
    });
    expect((await sandbox.runCode('const {', js)).error).toMatchObject({ name: 'SyntaxError' });
    expect((await sandbox.runCode('await Promise.reject(new RangeError("far"))', js)).error.name).toBe(
      'RangeError',
    );
    const bash = { language: 'bash' };
    await sandbox.runCode('cd /tmp; count=41', bash);
    const run = await sandbox.runCode('echo "$PWD $((count + 1))"; false', bash);
    expect(run.logs.stdout.join('')).toBe('/tmp 42\n');
    expect(run.error).toMatchObject({ name: 'ExitStatus', value: 'exit status 1' });
  });

  test.each([
    ['python', 'import time\nwhile True: time.sleep(0.1)', 'kept = 5', 'kept', '5'],
    ['javascript', 'while (true) {}', 'globalThis.kept = 5', 'kept', '5'],
    [
      'javascript',
      'await new Promise(() => setInterval(() => {}, 1000))',
      'globalThis.more = 6',
      'more',
      '6',
    ],
  ])(
    'interrupts %s when the caller has no more time, and keeps what it had: %s',
    async (language, endless, ...rest) => {
      const [before, after, expected] = rest;
      const context = await sandbox.createCodeContext({ language });
      await sandbox.runCode(before, { context });
      await expect(sandbox.runCode(endless, { context, timeoutMs: 1_000 })).rejects.toThrow(
        'Execution timed out',
      );
      expect((await sandbox.runCode(after, { context })).text).toBe(expected);
      await sandbox.removeCodeContext(context);
    },
  );

  test('ends a run that cannot be interrupted, and goes on with a new kernel', async () => {
    const context = await sandbox.createCodeContext({ language: 'bash' });
    const endless = "trap '' INT; echo $$ > /tmp/endless; while :; do :; done";
    await expect(sandbox.runCode(endless, { context, timeoutMs: 1_000 })).rejects.toThrow(
      'Execution timed out',
    );
    const { logs } = await sandbox.runCode('kill -0 "$(cat /tmp/endless)" 2>/dev/null || echo gone', {
      context,
    });
    expect(logs.stdout.join('')).toBe('gone\n');
    await sandbox.removeCodeContext(context);
  });

  test('says so when a kernel ends by itself', async () => {
    const context = await sandbox.createCodeContext();
    const { error } = await sandbox.runCode('import os; os._exit(9)', { context });
    expect(error).toMatchObject({ name: 'KernelEnded', value: expect.stringContaining('status 9') });
    expect((await sandbox.runCode('6 * 7', { context })).text).toBe('42');
    await sandbox.removeCodeContext(context);
  });

  test('takes much output, and goes on after a pause', async () => {
    const { logs } = await sandbox.runCode("for i in range(30_000): print('é' * 40)\nkept = 'kept'");
    expect(logs.stdout.join('')).toBe(`${'é'.repeat(40)}\n`.repeat(30_000));
    await sandbox.pause();
    await sandbox.connect();
    expect((await sandbox.runCode('kept')).text).toBe("'kept'");
  });
});
