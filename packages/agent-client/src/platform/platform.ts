import { ApiClient, ConnectionConfig, type ConnectionOpts } from 'e2b';
import type { AuthManager } from '../auth/auth-manager.js';
import type { PlatformSettings } from './platform-settings.js';
import { watchRateLimits } from './rate-limits.js';

/** The one place where the E2B SDK gets its addresses and its key. */
export class Platform {
  readonly settings: PlatformSettings;
  readonly auth: AuthManager;
  /** Scheme, host and port of the control plane. */
  readonly apiOrigin: string;

  constructor(settings: PlatformSettings, auth: AuthManager) {
    this.settings = settings;
    this.auth = auth;
    this.apiOrigin = new URL(settings.apiUrl ?? `https://api.${settings.domain}`).origin;
    watchRateLimits(this.apiOrigin);
  }

  /** Options for any call of the SDK. */
  options(signal?: AbortSignal): ConnectionOpts {
    const { domain, apiUrl, sandboxUrl, isPpio, requestTimeoutMs } = this.settings;
    return {
      apiKey: this.auth.apiKey,
      domain,
      requestTimeoutMs,
      // For the control plane alone, as the key itself.
      ...(isPpio && { apiHeaders: this.auth.getAuthHeaders() }),
      // Else the SDK would take it from its own environment and talk to a local envd.
      debug: false,
      ...(apiUrl !== undefined && { apiUrl }),
      ...(sandboxUrl !== undefined && { sandboxUrl }),
      ...(signal && { signal }),
    };
  }

  /** Aborts when one request to the control plane has taken too long. */
  requestSignal(): AbortSignal {
    const { requestTimeoutMs } = this.settings;
    return requestTimeoutMs > 0
      ? AbortSignal.timeout(Math.ceil(requestTimeoutMs))
      : new AbortController().signal;
  }

  /** The control plane's own API, for what the SDK has no method for. */
  api(): ApiClient['api'] {
    return new ApiClient(new ConnectionConfig(this.options())).api;
  }
}
