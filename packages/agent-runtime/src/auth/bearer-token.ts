import { refusals } from '@sandpiper/protocol';
import { RequestError } from '../errors/request-error.js';
import type { Incoming } from '../http/incoming.js';

/** The token of `Authorization: Bearer …`. */
export function bearerToken(incoming: Incoming): string | undefined {
  return /^Bearer (.+)$/i.exec(incoming.header('authorization') ?? '')?.[1];
}

/** Compares in a time that reveals nothing of where two texts differ, nor of how long they are. */
export async function isSecret(given: string | undefined, expected: string): Promise<boolean> {
  if (given === undefined) return false;
  const [a, b] = await Promise.all([given, expected].map(digest));
  let difference = 0;
  a?.forEach((byte, at) => {
    difference |= byte ^ (b?.[at] ?? 0);
  });
  return difference === 0;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}

export function unauthorized(knob: string): RequestError {
  return new RequestError(401, refusals.unauthenticated, `The request shows no valid token (${knob}).`, {
    headers: { 'www-authenticate': 'Bearer' },
  });
}
