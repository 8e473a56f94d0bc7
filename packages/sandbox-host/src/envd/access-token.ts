import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { sameSecret } from '../http/same-secret.js';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** Whether a caller has the sandbox's access token; every caller has that of a sandbox without one. */
export function hasToken({ accessToken }: Sandbox, given: string | undefined): boolean {
  return accessToken === undefined || (given !== undefined && sameSecret(given, accessToken));
}

/** @throws HostError 401 */
export function requireToken(sandbox: Sandbox, given: string | undefined): void {
  if (!hasToken(sandbox, given))
    throw new HostError(401, 'The access token of the sandbox is missing or wrong.');
}
