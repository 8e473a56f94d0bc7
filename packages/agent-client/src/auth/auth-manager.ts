import { readEnvironment } from '../environment.js';
import { AuthenticationError } from '../errors/authentication-error.js';

/**
 * Holds the account's API key. The key is for the platform's control plane; an agent in a sandbox never gets it
 * (docs/wire-protocol.md, "Configuration").
 *
 * @example
 * const auth = new AuthManager(); // from E2B_API_KEY or PPIO_API_KEY
 * await fetch(`${apiUrl}/templates`, { headers: auth.getAuthHeaders() });
 */
export class AuthManager {
  /** The environment variable that the key came from; undefined for a key that was passed. */
  readonly source: 'E2B_API_KEY' | 'PPIO_API_KEY' | undefined;
  readonly #apiKey: string;

  /**
   * @param apiKey - Default: the environment's `E2B_API_KEY`, else `PPIO_API_KEY`.
   * @throws AuthenticationError when there is none.
   */
  constructor(apiKey?: string) {
    const named = (['E2B_API_KEY', 'PPIO_API_KEY'] as const).find((name) => readEnvironment(name));
    const key = apiKey ?? (named && readEnvironment(named));
    if (!key) {
      throw new AuthenticationError(
        'There is no API key: pass `apiKey`, or set E2B_API_KEY or PPIO_API_KEY in the environment.',
      );
    }
    this.#apiKey = key;
    this.source = apiKey === undefined ? named : undefined;
  }

  /** The key in use. */
  get apiKey(): string {
    return this.#apiKey;
  }

  /** Whether the key could be one: one word of printable ASCII, so that it can travel in a header. Asks nobody. */
  validateCredentials(): boolean {
    return /^[\x21-\x7e]+$/.test(this.#apiKey);
  }

  /** Headers for calls of your own to the control plane: E2B reads `X-API-KEY`, PPIO the bearer token. */
  getAuthHeaders(): Record<string, string> {
    return { Authorization: `Bearer ${this.#apiKey}`, 'X-API-KEY': this.#apiKey };
  }
}
