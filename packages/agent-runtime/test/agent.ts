import type { Logger } from '@sandpiper/protocol';
import type { RuntimeConfig } from '../src/config.js';
import type { Handler } from '../src/entrypoint/handler.js';
import { AgentRuntimeApp } from '../src/node/node-app.js';

/** A logger for tests that expect failures. */
export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** An app with this handler, which logs nothing. */
export function agent(handler: Handler<unknown>, config: RuntimeConfig = {}): AgentRuntimeApp {
  const app = new AgentRuntimeApp({ config, logger: silent });
  app.entrypoint(handler);
  return app;
}
