import type { Logger } from '@sandpiper/protocol';

/** A retry that is about to be made. */
export interface RetryInfo {
  /** The retry's number, from 1. */
  attempt: number;
  /** How long it waits first, in milliseconds. */
  delayMs: number;
  /** Why the attempt before it did not do. */
  error: Error;
  invocationId: string;
  sandboxId: string;
}

/** Options of one call to an agent. Each has its default in the client's {@link ClientConfig}. */
export interface CallOptions {
  /**
   * Names the invocation: the agent runs it at most once, however often it is sent. Give one that outlives this process
   * to make a call again after a crash. Default: a new UUID.
   */
  idempotencyKey?: string | undefined;
  /** Names the request in both sides' logs. Default: a new UUID. */
  requestId?: string | undefined;
  /** Further headers for the agent, such as `traceparent`. */
  headers?: Record<string, string> | undefined;
  /** Ends the call; the runtime is asked to cancel the invocation. */
  signal?: AbortSignal | undefined;
  /** How long the whole call may take, retries and waits included, in milliseconds. Default: 300,000. 0: no limit. */
  timeoutMs?: number | undefined;
  /** How long the response's first byte may take, in milliseconds. Default: 0, no limit but `timeoutMs`. */
  firstByteTimeoutMs?: number | undefined;
  /**
   * How long a response may be silent once begun, in milliseconds; heartbeats count. Default: 60,000 where the runtime
   * sends heartbeats, no limit elsewhere. 0: no limit.
   */
  idleTimeoutMs?: number | undefined;
  /** How often a call is tried again, each time only if that can run nothing twice. Default: 3. */
  maxRetries?: number | undefined;
  /** Called before every retry. */
  onRetry?: ((retry: RetryInfo) => void) | undefined;
}

/** {@link CallOptions} with the client's settings behind them. */
export interface CallSettings {
  timeoutMs: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number | undefined;
  maxRetries: number;
  retryDelayMs: number;
  maxResponseBytes: number;
  onRetry: ((retry: RetryInfo) => void) | undefined;
  logger: Logger | undefined;
}

/** Lays the options of one call over the client's settings. */
export function settle(settings: CallSettings, options: CallOptions): CallSettings {
  return {
    ...settings,
    timeoutMs: options.timeoutMs ?? settings.timeoutMs,
    firstByteTimeoutMs: options.firstByteTimeoutMs ?? settings.firstByteTimeoutMs,
    idleTimeoutMs: options.idleTimeoutMs ?? settings.idleTimeoutMs,
    maxRetries: options.maxRetries ?? settings.maxRetries,
    onRetry: options.onRetry ?? settings.onRetry,
  };
}

/** What `invoke` would like to have; an agent that streams anyhow is understood as well. */
export const acceptAnswer = 'application/json, text/event-stream;q=0.5';

/** What `stream` would like to have. Some servers stream only to who asks for it. */
export const acceptStream = 'text/event-stream, application/x-ndjson;q=0.9, application/json;q=0.8';
