import { afterEach, describe, expect, test, vi } from 'vitest';
import { resolveConfig } from './config.js';

afterEach(() => vi.unstubAllEnvs());

function under(env: Record<string, string>, config = {}): ReturnType<typeof resolveConfig> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return resolveConfig(config);
}

describe('a configuration', () => {
  test('has the documented defaults', () => {
    expect(under({})).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      debug: false,
      responseFormat: 'envelope',
      timeoutMs: 300_000,
      maxRequestBytes: 1024 * 1024,
      maxConcurrency: Number.MAX_SAFE_INTEGER,
      heartbeatMs: 15_000,
      streamBufferBytes: 16 * 1024,
      resumeGraceMs: 30_000,
      shutdownGraceMs: 25_000,
      retention: { count: 1000, bytes: 64 * 1024 * 1024, ms: 300_000 },
      corsOrigins: ['*'],
      enableMetrics: true,
    });
  });

  test('goes option, AGENT_RUNTIME_, PPIO_AGENT_, PORT, default', () => {
    expect(under({ PORT: '1' }).port).toBe(1);
    expect(under({ PPIO_AGENT_PORT: '2' }).port).toBe(2);
    expect(under({ AGENT_RUNTIME_PORT: '3' }).port).toBe(3);
    expect(under({}, { port: 4 }).port).toBe(4);
    expect(under({}, { port: undefined }).port).toBe(3);
  });

  test('reads each kind of variable', () => {
    const env = {
      PPIO_AGENT_HOST: '::1',
      PPIO_AGENT_DEBUG: 'true',
      PPIO_AGENT_TIMEOUT: '2.5',
      AGENT_RUNTIME_RESPONSE_FORMAT: 'raw',
      AGENT_RUNTIME_MAX_CONCURRENCY: '7',
      AGENT_RUNTIME_CORS_ORIGINS: 'https://a.example, https://b.example',
      AGENT_RUNTIME_HEARTBEAT_MS: '',
    };
    expect(under(env)).toMatchObject({
      host: '::1',
      debug: true,
      timeoutMs: 2500,
      responseFormat: 'raw',
      maxConcurrency: 7,
      corsOrigins: ['https://a.example', 'https://b.example'],
      heartbeatMs: 15_000,
    });
    expect(under({ AGENT_RUNTIME_TIMEOUT: '4' }).timeoutMs).toBe(4000);
    expect(under({ AGENT_RUNTIME_TIMEOUT_MS: '5' }).timeoutMs).toBe(5);
  });

  test('takes `maxRequestSize` for `maxRequestBytes`, which wins', () => {
    expect(under({}, { maxRequestSize: 5 }).maxRequestBytes).toBe(5);
    expect(under({}, { maxRequestSize: 5, maxRequestBytes: 6 }).maxRequestBytes).toBe(6);
    expect(under({ AGENT_RUNTIME_MAX_REQUEST_SIZE: '7' }).maxRequestBytes).toBe(7);
    expect(under({ AGENT_RUNTIME_MAX_REQUEST_BYTES: '8' }).maxRequestBytes).toBe(8);
  });

  test('that is wrong is refused by the name of its option and its variable', () => {
    expect(() => under({ AGENT_RUNTIME_PORT: 'http' })).toThrow(/port \(AGENT_RUNTIME_PORT\)/);
    expect(() => under({}, { port: 70_000, timeoutMs: -1 })).toThrow(
      /port .*timeoutMs \(AGENT_RUNTIME_TIMEOUT_MS\)/,
    );
    expect(() => under({}, { retention: { count: -1 } })).toThrow(/retention\.count: /);
    expect(() => under({}, { maxConcurrenzy: 1 })).toThrow(/maxConcurrenzy/);
  });

  test.each([
    ['PORT', '99999', 'port'],
    ['PPIO_AGENT_PORT', 'http', 'port'],
    ['PPIO_AGENT_TIMEOUT', 'soon', 'timeoutMs'],
    ['AGENT_RUNTIME_TIMEOUT', 'soon', 'timeoutMs'],
    ['AGENT_RUNTIME_TIMEOUT_MS', '-1', 'timeoutMs'],
  ])('that is wrong in %s is refused by that name', (variable, value, option) => {
    expect(() => under({ [variable]: value })).toThrow(`${option} (${variable}): `);
  });

  test('of auth that is wrong in the environment names its variables', () => {
    expect(() => under({ AGENT_RUNTIME_AUTH_JWT_JWKS: 'no url' })).toThrow(
      /auth\S* \(AGENT_RUNTIME_AUTH_\*\): /,
    );
  });
});
