import { expect, test } from 'vitest';
import { callSettings, clientConfig, transportOptions } from './client-config.js';

test('an option of a client wins over the same one in its `config`', () => {
  const config = clientConfig({
    apiKey: 'k',
    maxRetries: 5,
    maxConnections: undefined,
    config: { maxRetries: 1, retryDelayMs: 7, maxConnections: 2 },
  });
  expect(callSettings(config, undefined)).toMatchObject({ maxRetries: 5, retryDelayMs: 7 });
  expect(transportOptions(config)).toMatchObject({ maxConnections: 2, connectTimeoutMs: 10_000 });
});
