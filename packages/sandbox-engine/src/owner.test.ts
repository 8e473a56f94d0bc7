import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ownerTag, stateOfOwner } from './owner.js';

test('this process lives, and its tag says so', () => {
  expect(stateOfOwner(ownerTag())).toBe('living');
});

test('a process that has ended is dead, also while nobody has seen it off', async () => {
  const ended = spawn('true');
  await once(ended, 'exit');
  const [, namespace] = ownerTag().split('-');
  expect(stateOfOwner(`${ended.pid}-${namespace}-1`)).toBe('dead');
});

test.skipIf(process.platform !== 'linux')(
  'a process with the number of one that died is not that one',
  () => {
    const [pid, namespace] = ownerTag().split('-');
    expect(stateOfOwner(`${pid}-${namespace}-1`)).toBe('dead');
  },
);

test('nothing is said of a process that is counted elsewhere, nor of what is no tag', () => {
  const [pid, namespace, startTime] = ownerTag().split('-');
  const elsewhere = [`${pid}-${Number(namespace) + 1}-${startTime}`, `${pid}`, 'notes-of-mine', ''];
  expect(elsewhere.map(stateOfOwner)).toEqual(elsewhere.map(() => 'unknown'));
  if (process.platform === 'linux') expect(readlinkSync('/proc/self/ns/pid')).toContain(namespace);
});
