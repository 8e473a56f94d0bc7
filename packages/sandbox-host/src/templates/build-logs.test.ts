import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BuildLogs } from './build-logs.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'build-logs-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const all = { offset: 0, limit: 1_000_000 };
const messages = (logs: BuildLogs, page: { offset: number; limit: number } = all): string[] =>
  logs.read('b', page).map(({ message }) => message);

test('a line keeps its number, and is read by it while the log grows', () => {
  const logs = new BuildLogs(directory, console);
  const log = logs.open('b');
  for (let n = 0; n < 250; n++) log.add('info', `line ${n} €`);
  log.endStep();
  expect(messages(logs, { offset: 99, limit: 3 })).toEqual(['line 99 €', 'line 100 €', 'line 101 €']);
  expect(messages(logs, { offset: 250, limit: 3 })).toEqual([]);
  log.add('error', 'one\nmore');
  log.endStep();
  expect(messages(logs, { offset: 249, limit: 100 })).toEqual(['line 249 €', 'one\nmore']);
  expect(messages(new BuildLogs(directory, console))).toHaveLength(251);
});

test('of a long log the beginning is kept, and the last lines of each step, with what is missing between them', () => {
  const logs = new BuildLogs(directory, console, { bytes: 1_000, lastLines: 3, lastBytes: 100 });
  const log = logs.open('b');
  for (let n = 1; n <= 100_000; n++) log.add('info', `line ${n}`);
  log.endStep();
  log.add('info', 'short step');
  log.endStep();
  for (const text of ['a', 'b', 'c']) log.add('info', text.repeat(80));
  log.endStep();
  const found = messages(logs);
  const cut = found.findIndex((message) => message.startsWith('The log is longer than 1000 bytes'));
  expect(found.slice(0, cut)).toEqual(Array.from({ length: cut }, (_, n) => `line ${n + 1}`));
  expect(found.slice(cut + 1)).toEqual([
    `${100_000 - cut - 3} lines were dropped here.`,
    'line 99998',
    'line 99999',
    'line 100000',
    'short step',
    '2 lines were dropped here.',
    'c'.repeat(80),
  ]);
  expect(statSync(join(directory, 'b.jsonl')).size).toBeLessThan(3_000);
});

test('is searched from either end', () => {
  const logs = new BuildLogs(directory, console);
  const log = logs.open('b');
  for (let n = 0; n < 2_500; n++) log.add(n % 2 === 0 ? 'info' : 'error', String(n));
  log.endStep();
  const search = (limit: number, backward: boolean) =>
    logs
      .search('b', { limit, backward }, ({ level }) => level === 'error')
      .map(({ message }) => Number(message));
  expect(search(3, false)).toEqual([1, 3, 5]);
  expect(search(3, true)).toEqual([2_499, 2_497, 2_495]);
  expect(search(5_000, true)).toHaveLength(1_250);
  expect(logs.search('none', { limit: 1, backward: true }, () => true)).toEqual([]);
});

test('nothing is left of the logs of builds that are gone', () => {
  const logs = new BuildLogs(directory, console);
  for (const id of ['b', 'c', 'd']) {
    const log = logs.open(id);
    log.add('info', id);
    log.endStep();
  }
  logs.remove('b');
  logs.remove('never');
  logs.keepOnly(['c']);
  expect(readdirSync(directory)).toEqual(['c.jsonl']);
  expect(messages(logs)).toEqual([]);
});
