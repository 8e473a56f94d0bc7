import { expect, test } from 'vitest';
import { pingResponseSchema } from './ping.js';

test.each([
  ['Healthy', 'Healthy'],
  ['healthy', 'Healthy'],
  ['HEALTHY_BUSY', 'HealthyBusy'],
  ['healthybusy', 'HealthyBusy'],
  ['ok', 'Healthy'],
  ['Up', 'Healthy'],
  ['BUSY', 'HealthyBusy'],
])('a status spelt %s is %s', (spelt, status) => {
  expect(pingResponseSchema.parse({ status: spelt, disk: 'ok' })).toEqual({ status, disk: 'ok' });
});

test.each([
  ['PPIO', { message: null, timestamp: '2026-01-01T00:00:00Z' }, { timestamp: '2026-01-01T00:00:00Z' }],
  ['dates as numbers', { timestamp: 1_767_225_600, time_of_last_update: 5 }, { time_of_last_update: 5 }],
  ['a last update as a text', { time_of_last_update: '2026-01-01T00:00:00Z' }, {}],
  ['anything', { message: { a: 1 }, timestamp: [], time_of_last_update: null }, {}],
])('fields of other types do not refuse a status: %s', (_, fields, read) => {
  expect(pingResponseSchema.parse({ status: 'HealthyBusy', ...fields })).toEqual({
    status: 'HealthyBusy',
    ...read,
  });
});

test.each([[{ status: 'fine' }], [{ status: null }], [{}], ['Healthy'], [null]])(
  'what has no status that is known is refused: %j',
  (body) => {
    expect(pingResponseSchema.safeParse(body).success).toBe(false);
  },
);
