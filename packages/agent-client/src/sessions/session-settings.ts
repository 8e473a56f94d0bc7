import type { SandboxLabels } from './sandbox-labels.js';

/** How long a sandbox lives unless a session's options, or the sandbox itself, say otherwise. */
export const defaultLifetimeMs = 300_000;

/** How a session behaves. */
export interface SessionOptions {
  /**
   * How long the sandbox lives after creation, `refresh()` or `resume()`, in milliseconds. Default: what it was created
   * with, by whichever process; for a new one 300,000.
   */
  lifetimeMs?: number | undefined;
  /** Whether a call to a paused session resumes it first. Default: true. */
  autoResume?: boolean | undefined;
  /** Whether the sandbox's life is extended while calls are in flight. Default: false: nothing is renewed silently. */
  keepAlive?: boolean | undefined;
}

/** {@link SessionOptions} with their defaults. */
export interface SessionSettings {
  lifetimeMs: number;
  autoResume: boolean;
  keepAlive: boolean;
}

/** A session's options; what they leave open is as its sandbox was created. */
export function sessionSettings(options: SessionOptions, labels: SandboxLabels): SessionSettings {
  const {
    lifetimeMs = labels.lifetimeMs ?? defaultLifetimeMs,
    autoResume = true,
    keepAlive = false,
  } = options;
  return { lifetimeMs, autoResume, keepAlive };
}
