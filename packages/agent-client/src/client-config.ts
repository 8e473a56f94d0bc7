import type { Logger } from '@sandpiper/protocol';
import type { CallSettings, RetryInfo } from './invocation/call-options.js';
import type { PlatformOptions } from './platform/platform-settings.js';
import type { TransportOptions } from './transport/transport.js';

/** How a client works: each is an option of the client. Times are in milliseconds; those that limit a request may be 0 for no limit. */
export interface ClientConfig {
  /** How often a call is tried again, each time only if that can run nothing twice. Default: 3. */
  maxRetries?: number | undefined;
  /** The wait before the first retry; it doubles, less up to a quarter, to 8 s. Default: 500. */
  retryDelayMs?: number | undefined;
  /** The most connections to one origin; a call holds one until its response has ended. Default: 100. */
  maxConnections?: number | undefined;
  /** How long an unused connection is kept. Default: 30,000. */
  keepAliveTimeoutMs?: number | undefined;
  /** How long connecting to a sandbox may take. Default: 10,000. */
  connectTimeoutMs?: number | undefined;
  /** How long the first byte of a response may take. Default: 0. */
  firstByteTimeoutMs?: number | undefined;
  /** How long a response may be silent. Default: 60,000 where the runtime sends heartbeats, else 0. */
  idleTimeoutMs?: number | undefined;
  /** How long one request to the platform may take. Default: 60,000. */
  requestTimeoutMs?: number | undefined;
  /** How long an agent may take to become ready, where its own configuration does not say. Default: 60,000. */
  readyTimeoutMs?: number | undefined;
  /** The longest response that is held in memory, in bytes. Streams are not held. Default: 64 MiB. */
  maxResponseBytes?: number | undefined;
  /** Called before every retry. */
  onRetry?: ((retry: RetryInfo) => void) | undefined;
  /**
   * Where the client reports what it does: sandboxes made, resumed and closed (`info`), retries and lives that could not be
   * extended (`warn`), calls that ended (`debug`). pino and `console` fit as they are. Default: nowhere.
   */
  logger?: Logger | undefined;
}

/** How a client is made. Options win over the environment, the environment over the defaults. */
export interface AgentRuntimeClientOptions extends PlatformOptions, ClientConfig {
  /** The account's key. Default: `E2B_API_KEY`, else `PPIO_API_KEY`. */
  apiKey?: string | undefined;
  /** How long one call to an agent may take, in milliseconds; 0: no limit. Default: 300,000. */
  timeoutMs?: number | undefined;
  /** The same options in an object of their own; an option beside it wins. */
  config?: ClientConfig | undefined;
}

/** The options that are a {@link ClientConfig}, wherever they were given. */
export function clientConfig({ config, ...flat }: AgentRuntimeClientOptions): ClientConfig {
  const given = Object.fromEntries(Object.entries(flat).filter(([, value]) => value !== undefined));
  return { ...config, ...given };
}

/** The configuration's part for calls, with its defaults. */
export function callSettings(config: ClientConfig, timeoutMs: number | undefined): CallSettings {
  return {
    timeoutMs: timeoutMs ?? 300_000,
    firstByteTimeoutMs: config.firstByteTimeoutMs ?? 0,
    idleTimeoutMs: config.idleTimeoutMs,
    maxRetries: config.maxRetries ?? 3,
    retryDelayMs: config.retryDelayMs ?? 500,
    maxResponseBytes: config.maxResponseBytes ?? 64 * 1024 * 1024,
    onRetry: config.onRetry,
    logger: config.logger,
  };
}

/** The configuration's part for connections, with its defaults. */
export function transportOptions(config: ClientConfig): TransportOptions {
  return {
    maxConnections: config.maxConnections ?? 100,
    keepAliveTimeoutMs: config.keepAliveTimeoutMs ?? 30_000,
    connectTimeoutMs: config.connectTimeoutMs ?? 10_000,
  };
}
