import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { namedFileError } from '../storage/named-file-error.js';
import { readOrCreate } from '../storage/read-or-create.js';

/** How long a token holds, in seconds; it is made again when half of that is over. */
const lifetimeSeconds = 300;

/** Signs for requests that they came through this gateway and for which sandbox they are. */
export class GatewayTokens {
  readonly #key: KeyObject;
  readonly #tokens = new WeakMap<object, { token: Promise<string>; until: number }>();

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /** What a sandbox needs to know so that an agent in it can tell: an agent runtime takes it from there. */
  get environment(): Record<string, string> {
    const pem = createPublicKey(this.#key).export({ type: 'spki', format: 'pem' });
    return { AGENT_RUNTIME_AUTH_JWT_PUBLIC_KEY: String(pem).trim().replaceAll('\n', '\\n') };
  }

  /** A token for requests to a sandbox: one for many, since it says no more than where they may go. */
  for(sandbox: { readonly id: string }): Promise<string> {
    const now = Date.now();
    const known = this.#tokens.get(sandbox);
    if (known && now < known.until) return known.token;
    const token = new SignJWT({ sid: sandbox.id })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${lifetimeSeconds}s`)
      .sign(this.#key);
    this.#tokens.set(sandbox, { token, until: now + lifetimeSeconds * 500 });
    return token;
  }
}

/** Takes the key that is kept in a directory, or makes one: agents that outlive the host must go on knowing it. */
export async function loadGatewayKey(directory: string): Promise<KeyObject> {
  const path = join(directory, 'gateway-key.pem');
  const pem = await readOrCreate(path, () =>
    String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
  );
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw namedFileError(path, error);
  }
}
