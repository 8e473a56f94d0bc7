import type { Capabilities } from '@sandpiper/sandbox-engine/engine';
import { expect, test } from 'vitest';
import { requestedLimits } from './requested-limits.js';

const enforced = { limits: { level: 'enforced', reason: 'control groups' } } as Capabilities;
const absent = { limits: { level: 'absent', reason: 'there are no control groups' } } as Capabilities;

function read(headers: Record<string, string>, capabilities: Capabilities): unknown {
  return requestedLimits((name) => headers[name], capabilities);
}

test('limits of one sandbox come in headers, each by itself', () => {
  expect(read({}, enforced)).toEqual({});
  expect(read({ 'x-sandbox-memory-mb': '256' }, enforced)).toEqual({ memoryMB: 256 });
  expect(read({ 'x-sandbox-cpu-count': '0.5' }, enforced)).toEqual({ cpuCount: 0.5 });
});

test.each([
  ['x-sandbox-memory-mb', '64'],
  ['x-sandbox-memory-mb', '256.5'],
  ['x-sandbox-memory-mb', ''],
  ['x-sandbox-cpu-count', '0'],
  ['x-sandbox-cpu-count', 'two'],
])('%s: %j is refused by name', (name, value) => {
  expect(() => read({ [name]: value }, enforced)).toThrow(
    expect.objectContaining({ status: 400, message: expect.stringContaining(`header ${name}: `) }),
  );
});

test('a host that enforces no limits refuses them with the reason, and takes a creation without', () => {
  expect(read({}, absent)).toEqual({});
  expect(() => read({ 'x-sandbox-memory-mb': '256' }, absent)).toThrow(
    'This host cannot limit a sandbox: there are no control groups.',
  );
});
