import { headers as headerNames } from '@sandpiper/protocol';
import type { AuthConfig, JwtConfig } from '../config.js';
import { environment } from '../environment.js';
import type { Incoming } from '../http/incoming.js';
import { bearerToken, isSecret, unauthorized } from './bearer-token.js';

/** Lets a request pass. @throws RequestError 401 or 503, or rejects with it. */
export type Guard = (incoming: Incoming) => Promise<void> | undefined;

/** What every request but those to `/ping` must get past; undefined where nothing is asked for. */
export function createAuthenticator(auth: AuthConfig | undefined): Guard | undefined {
  if (!auth) return undefined;
  return 'bearerToken' in auth ? bearerAuthenticator(auth.bearerToken) : jwtAuthenticator(auth.jwt);
}

function bearerAuthenticator(expected: string): Guard {
  return async (incoming) => {
    if (!(await isSecret(bearerToken(incoming), expected))) throw unauthorized('RuntimeConfig.auth');
  };
}

function jwtAuthenticator(config: JwtConfig): Guard {
  let verify: Promise<Verify> | undefined;
  // A gateway sends one token with many requests, and to verify it costs more than to answer one.
  let lastGood: { readonly token: string; readonly expiresAt: number } | undefined;
  return async (incoming) => {
    const token = incoming.header(headerNames.gatewayToken) ?? bearerToken(incoming);
    if (token === undefined) throw unauthorized('RuntimeConfig.auth');
    if (token === lastGood?.token && Date.now() / 1000 < lastGood.expiresAt) return;
    verify ??= createVerifier(config);
    const { sid, exp = 0 } = await (await verify)(token).catch(() => {
      throw unauthorized('RuntimeConfig.auth');
    });
    // A token that names a sandbox opens that one only.
    const sandboxId = environment().E2B_SANDBOX_ID;
    if (sid !== undefined && sandboxId && sid !== sandboxId) throw unauthorized('RuntimeConfig.auth');
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
