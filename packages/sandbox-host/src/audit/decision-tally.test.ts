import { expect, test } from 'vitest';
import type { AuditEntry } from './audit-line.js';
import { DecisionTally } from './decision-tally.js';

const entry = (action: string): AuditEntry => ({
  actor: 'anonymous',
  action,
  outcome: '502',
  request: 'first',
});

test('writes the first of a kind at once and the rest as a number', () => {
  const written: AuditEntry[] = [];
  const tally = new DecisionTally((one) => written.push(one), 3_600_000);
  for (let i = 0; i < 5; i++) tally.add('a', () => entry('a'));
  tally.add('b', () => entry('b'));
  expect(written.map(({ action, count }) => [action, count])).toEqual([
    ['a', undefined],
    ['b', undefined],
  ]);
  tally.close();
  expect(written.slice(2)).toEqual([{ ...entry('a'), request: undefined, count: 4 }]);
});

test('loses no decision when there are more kinds than it keeps in mind', () => {
  let sum = 0;
  const tally = new DecisionTally(({ count = 1 }) => {
    sum += count;
  }, 3_600_000);
  for (let i = 0; i < 5_000; i++) tally.add(`kind ${i % 2_500}`, () => entry('a'));
  tally.close();
  expect(sum).toBe(5_000);
});
