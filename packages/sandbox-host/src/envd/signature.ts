import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { targetOf } from '../http/messages.js';
import { sameSecret } from '../http/same-secret.js';

/** The signature of a URL, which opens one file for one purpose, perhaps for a time. */
export interface Signature {
  text: string;
  /** Whether its time is over; one that names none has no end. */
  isExpired: boolean;
  /** Whether it was made with a sandbox's token. */
  isOf(accessToken: string | undefined): boolean;
}

/** `v1_` and a SHA-256 in base64. */
const pattern = /^v1_[A-Za-z0-9+/]{43}$/;

/** @returns undefined for a request that carries none. */
export function readSignature(request: IncomingMessage): Signature | undefined {
  const { pathname, query } = targetOf(request);
  const text = query.get('signature');
  if (pathname !== '/files' || text === null || !pattern.test(text)) return undefined;
  const operation = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'write';
  const expiration = query.get('signature_expiration');
  const before = `${query.get('path') ?? ''}:${operation}:${query.get('username') ?? ''}:`;
  const behind = expiration === null ? '' : `:${expiration}`;
  return {
    text,
    // What is no number has passed.
    isExpired: expiration !== null && !(Number(expiration) >= Date.now() / 1000),
    isOf: (accessToken) =>
      accessToken !== undefined &&
      sameSecret(text, `v1_${hash('sha256', before + accessToken + behind, 'base64').replace(/=+$/, '')}`),
  };
}
