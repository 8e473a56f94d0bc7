import { headers as names } from '@sandpiper/protocol';
import type { AuthConfig, JwtConfig } from '../config.js';
import { environment } from '../environment.js';
import { RequestError } from '../errors/request-error.js';
import type { Incoming } from '../http/incoming.js';

/** Lets a request pass. @throws RequestError 401, or rejects with it. */
export type Authenticate = (incoming: Incoming) => void | Promise<void>;

/** What every request but those to `/ping` must get past; undefined where nothing is asked for. */
export function createAuthenticator(auth: AuthConfig | undefined): Authenticate | undefined {
  if (!auth) return undefined;
  return 'bearerToken' in auth ? bearerAuthenticator(auth.bearerToken) : jwtAuthenticator(auth.jwt);
}

function bearerAuthenticator(expected: string): Authenticate {
  return async (incoming) => {
    const token = bearerToken(incoming);
    if (token === undefined || !(await isEqual(token, expected))) throw unauthorized();
  };
}

function jwtAuthenticator(config: JwtConfig): Authenticate {
  let verify: Promise<Verify> | undefined;
  // A gateway sends one token with many requests, and to verify it costs more than to answer one.
  let lastGood: { readonly token: string; readonly expiresAt: number } | undefined;
  return async (incoming) => {
    const token = incoming.header(names.gatewayToken) ?? bearerToken(incoming);
    if (token === undefined) throw unauthorized();
    if (token === lastGood?.token && Date.now() / 1000 < lastGood.expiresAt) return;
    verify ??= createVerifier(config);
    const { sid, exp = 0 } = await (await verify)(token).catch(() => {
      throw unauthorized();
    });
    // A token that names a sandbox opens that one only.
    const sandboxId = environment().E2B_SANDBOX_ID;
    if (sid !== undefined && sandboxId && sid !== sandboxId) throw unauthorized();
    lastGood = { token, expiresAt: exp };
  };
}

/** Gives a token's claims. Rejects when it is not to be trusted. */
type Verify = (token: string) => Promise<{ readonly exp?: number; readonly [claim: string]: unknown }>;

// Loaded by those who ask for it, and no more of it than they need: it is larger than all the rest of a small agent.
async function createVerifier(
  config: JwtConfig,
): Promise<(token: string) => Promise<Record<string, unknown>>> {
  const { publicKey, jwks, issuer, audience } = config;
  const { jwtVerify } = await import('jose/jwt/verify');
  const options = {
    // An expiry is asked for: a token that never ends is a password.
    requiredClaims: ['exp'],
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
  if (jwks !== undefined) {
    const { createRemoteJWKSet } = await import('jose/jwks/remote');
    const keys = createRemoteJWKSet(new URL(jwks));
    return async (token) => (await jwtVerify(token, keys, options)).payload;
  }
  const { importSPKI } = await import('jose/key/import');
  // The token names its algorithm; jose refuses one that does not fit the key.
  const keys = new Map<string, ReturnType<typeof importSPKI>>();
  const key = ({ alg = '' }: { alg?: string }): ReturnType<typeof importSPKI> => {
    const imported = keys.get(alg) ?? importSPKI(publicKey ?? '', alg);
    // Only a key that fits is kept: a stranger names as many algorithms as he likes.
    imported.then(
      () => keys.set(alg, imported),
      () => {},
    );
    return imported;
  };
  return async (token) => (await jwtVerify(token, key, options)).payload;
}

function bearerToken(incoming: Incoming): string | undefined {
  return /^Bearer (.+)$/i.exec(incoming.header('authorization') ?? '')?.[1];
}

/** Compares in a time that tells nothing of where two texts differ, nor of how long they are. */
async function isEqual(given: string, expected: string): Promise<boolean> {
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

function unauthorized(): RequestError {
  return new RequestError(
    401,
    'AuthenticationError',
    'The request shows no valid token (RuntimeConfig.auth).',
    {
      headers: { 'www-authenticate': 'Bearer' },
    },
  );
}
