import { expect, test } from 'vitest';
import { pingResponseSchema } from './ping.js';

test.each([
  ['Healthy', 'Healthy'],
  ['healthy', 'Healthy'],
  ['HEALTHY_BUSY', 'HealthyBusy'],
  ['healthybusy', 'HealthyBusy'],
])('a status spelt %s is %s', (spelt, status) => {
  expect(pingResponseSchema.parse({ status: spelt, disk: 'ok' })).toEqual({ status, disk: 'ok' });
});

test('a status nobody knows is refused', () => {
  expect(pingResponseSchema.safeParse({ status: 'fine' }).success).toBe(false);
});
