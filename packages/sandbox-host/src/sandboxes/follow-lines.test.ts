import { PassThrough } from 'node:stream';
import type { EngineProcess, ExitStatus } from '@sandpiper/sandbox-engine/engine';
import { expect, test } from 'vitest';
import { followLines } from './follow-lines.js';
import { ProcessOutput } from './process-output.js';

test('lines are whole however they are written, and the last needs no end', async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let end: (status: ExitStatus) => void = () => {};
  const ended = new Promise<ExitStatus>((resolve) => {
    end = resolve;
  });
  const process: EngineProcess = { pid: 1, stdin: undefined, stdout, stderr, ended, kill: async () => {} };
  const output = new ProcessOutput(process);
  const seen: string[] = [];
  const followed = followLines(output, (line, source) => seen.push(`${source}: ${line}`));
  const euro = Buffer.from('€');
  const parts: [PassThrough, string | Buffer][] = [
    [stderr, 'mkdir: '],
    [stdout, 'between\r\n'],
    [stderr, 'cannot make it'],
    [stderr, '\n'],
    [stdout, euro.subarray(0, 1)],
    [stdout, euro.subarray(1)],
    [stdout, '\n\nlast'],
  ];
  for (const [stream, part] of parts) {
    stream.write(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  end({ code: 3, signal: undefined });
  expect(await followed).toMatchObject({ code: 3 });
  expect(seen).toEqual([
    'stdout: between',
    'stderr: mkdir: cannot make it',
    'stdout: €',
    'stdout: ',
    'stdout: last',
  ]);
});
