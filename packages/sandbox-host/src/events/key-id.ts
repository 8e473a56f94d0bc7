import { createHash } from 'node:crypto';

/** Names a secret without giving it away: always the same for the same one. */
export function keyId(kind: string, secret: string): string {
  return `${kind}:${createHash('sha256').update(`sandpiper ${kind} ${secret}`).digest('hex').slice(0, 12)}`;
}
