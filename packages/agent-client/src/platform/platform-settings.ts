import type { AuthManager } from '../auth/auth-manager.js';
import { readEnvironment } from '../environment.js';

/** Where the platform is, and how to ask it. */
export interface PlatformSettings {
  domain: string;
  apiUrl: string | undefined;
  sandboxUrl: string | undefined;
  /** Whether it is PPIO's, whose own client sends the key as a bearer token as well. */
  isPpio: boolean;
  /** How long one request to the control plane may take, in milliseconds. */
  requestTimeoutMs: number;
}

/** Which platform, where it is not the environment's. */
export interface PlatformOptions {
  /** Default: `E2B_DOMAIN`, else `PPIO_DOMAIN`, else `e2b.app`, or `sandbox.ppio.cn` with the environment's PPIO key. */
  domain?: string | undefined;
  /** The control plane. Default: `E2B_API_URL`, else `https://api.<domain>`. */
  apiUrl?: string | undefined;
  /** The gateway of a self-hosted platform, which serves every sandbox. Default: `E2B_SANDBOX_URL`. */
  sandboxUrl?: string | undefined;
  /** How long one request to the platform may take, in milliseconds. Default: 60,000. */
  requestTimeoutMs?: number | undefined;
}

/** Finds the platform: option, then environment, then default (docs/wire-protocol.md, "Configuration"). */
export function platformSettings(options: PlatformOptions, auth: AuthManager): PlatformSettings {
  const fallback = auth.source === 'PPIO_API_KEY' ? 'sandbox.ppio.cn' : 'e2b.app';
  const domain =
    options.domain ?? readEnvironment('E2B_DOMAIN') ?? readEnvironment('PPIO_DOMAIN') ?? fallback;
  return {
    domain,
    isPpio: auth.source === 'PPIO_API_KEY' || /(^|\.)ppio\.cn$/.test(domain),
    apiUrl: options.apiUrl ?? readEnvironment('E2B_API_URL'),
    sandboxUrl: options.sandboxUrl ?? readEnvironment('E2B_SANDBOX_URL'),
    requestTimeoutMs: options.requestTimeoutMs ?? 60_000,
  };
}
