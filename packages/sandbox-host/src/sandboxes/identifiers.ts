import { randomBytes, randomInt } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** A new id of lower-case letters and digits: it is part of host names, where a hyphen would end it. */
export function newId(): string {
  return Array.from({ length: 20 }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** A secret nobody can guess. */
export function newToken(prefix = ''): string {
  return prefix + randomBytes(20).toString('hex');
}

/** The id of a sandbox, without the client id that E2B's older SDKs and PPIO's append. */
export function bareId(id: string): string {
  const hyphen = id.indexOf('-');
  return hyphen < 0 ? id : id.slice(0, hyphen);
}
