import { expect, test } from 'vitest';
import { Breaker } from './circuit-breaker.js';

test('opens at the third failure in a row, for longer after each further one, and closes when it goes well', () => {
  const breaker = new Breaker();
  breaker.failed(0);
  breaker.failed(0);
  expect(breaker.isOpen(0)).toBe(false);
  breaker.succeeded();
  for (let i = 0; i < 3; i++) breaker.failed(0);
  expect(breaker.openUntil(0)).toEqual(new Date(30_000));
  expect(breaker.isOpen(30_000)).toBe(false);
  breaker.failed(30_000);
  expect(breaker.openUntil(30_000)).toEqual(new Date(90_000));
  for (let i = 0; i < 20; i++) breaker.failed(90_000);
  expect(breaker.openUntil(90_000)).toEqual(new Date(690_000));
  breaker.succeeded();
  expect(breaker.openUntil(90_000)).toBeUndefined();
});
