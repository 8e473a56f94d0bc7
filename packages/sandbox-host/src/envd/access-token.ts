import { timingSafeEqual } from 'node:crypto';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** Whether a caller has the sandbox's access token; every caller has that of a sandbox without one. */
export function hasToken({ accessToken }: Sandbox, given: string | undefined): boolean {
  return accessToken === undefined || (given !== undefined && sameToken(given, accessToken));
}

/** @throws HostError 401 */
export function requireToken(sandbox: Sandbox, given: string | undefined): void {
  if (!hasToken(sandbox, given))
    throw new HostError(401, 'The access token of the sandbox is missing or wrong.');
}

/** Compares in a time that says nothing about the expected one but its length, which is no secret. */
export function sameToken(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
