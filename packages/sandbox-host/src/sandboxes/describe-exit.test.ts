import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { describeExit } from './describe-exit.js';

test.each([
  ['SIGHUP', 'signal: hangup'],
  ['SIGKILL', 'signal: killed'],
  ['SIGTERM', 'signal: terminated'],
  ['SIGSEGV', 'signal: segmentation fault'],
  ['SIGUSR2', 'signal: user defined signal 2'],
  ['SIGSYS', `signal: signal ${constants.signals.SIGSYS}`],
  ['signal 34', 'signal: signal 34'],
])('%s is %s, as Go reports it', (signal, words) => {
  expect(describeExit({ code: undefined, signal })).toBe(words);
});

test('a core dump is reported after the signal, a code as an exit status', () => {
  expect(describeExit({ code: undefined, signal: 'SIGABRT', coreDumped: true })).toBe(
    'signal: aborted (core dumped)',
  );
  expect(describeExit({ code: 3, signal: undefined })).toBe('exit status 3');
});
