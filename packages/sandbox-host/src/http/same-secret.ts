import { timingSafeEqual } from 'node:crypto';

/** Compares in a time that says nothing about the expected one but its length, which is no secret. */
export function sameSecret(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
