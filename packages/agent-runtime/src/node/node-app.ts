import { type AgentRuntimeAppOptions, PortableApp } from '../app.js';
import type { Platform } from '../platform.js';
import { exitOnSignals } from './exit-on-signals.js';
import { listen } from './listen.js';
import { prometheusMetrics } from './prometheus.js';

const platform: Platform = { listen, exitOnSignals, createMetrics: prometheusMetrics };

/**
 * An agent as an HTTP server: a handler becomes `/invocations`, beside `/ping` and streaming.
 *
 * @example
 * ```ts
 * const app = new AgentRuntimeApp();
 * app.entrypoint(async (request) => `You said: ${request.prompt}`);
 * await app.run();
 * ```
 */
export class AgentRuntimeApp extends PortableApp {
  /** @throws ValidationError when the configuration, or the environment, is wrong; it names the option and the variable. */
  constructor(options?: AgentRuntimeAppOptions) {
    super(options, platform);
  }
}
